"""The container image holds the whole program and nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import config
from config import Settings
from roads.migrations import MIGRATIONS
from tests.conftest import SIGNING_KEY
from tests.support.product import ROOT, environment


def admitted() -> list[str]:
    """What .dockerignore lets in."""
    first, *names = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    return [name[1:] for name in names if name.startswith("!")]


def test_the_image_starts_and_contains_no_secret(url: str, tmp_path: Path) -> None:
    app = tmp_path / "app"
    # The dashboard is admitted to be built; its sources are not in the image.
    for name in {*admitted()} - {"dashboard"}:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, app / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, app / name)
    assert not [path for path in app.rglob("*") if path.name.startswith(".env") or path.suffix == ".pem"]
    program = (
        "import asyncio, main, maintenance; from config import Settings; from roads.migrations import MIGRATIONS\n"
        "asyncio.run(main.check_database(Settings()))\n"
        "print(main.create_app().openapi()['info']['title'], len([*MIGRATIONS.glob('*.sql')]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=app,
        env=environment(DATABASE_URL=url, SECRET_KEY=SIGNING_KEY, PYTHONPATH=str(app)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, f"LLMLab {len([*MIGRATIONS.glob('*.sql')])}\n"), said.stderr


def test_the_files_of_the_image_agree() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    health = "/api/health"
    assert health in dockerfile
    assert "RUN rm -r dashboard\nCOPY --from=dashboard /dashboard/dist dashboard/dist\n" in dockerfile
    assert config.DASHBOARD == ROOT / "dashboard" / "dist"
    # Builds, installed packages and secrets of this machine are left out.
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"dashboard/{name}" for name in (".env*", "dist", "node_modules")} <= {*ignored}
    assert f'healthcheckPath = "{health}"' in (ROOT / "railway.toml").read_text()
    compose = (ROOT / "docker-compose.yml").read_text()
    settings = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"^      ([A-Z_]+):", compose, re.MULTILINE)) - settings == {
        "POSTGRES_USER",
        "POSTGRES_DB",
        "POSTGRES_PASSWORD",
    }
    # A secret comes from the environment, or nothing starts.
    assert not re.search(r"\$\{\w+(:?-|\})", compose)
    assert {*re.findall(r"^ENV (.+)$", dockerfile, re.MULTILINE)[0].split()} >= {"HOST=0.0.0.0", "DATA_DIR=/data"}
    # Railway builds no image that declares a volume.
    assert "VOLUME" not in dockerfile
