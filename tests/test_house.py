"""The layers of the program: imports go down only, and no package imports another of its own layer."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from models import Answer, Request, Row
from tools import schema
from utils.extras import EXTRAS

ROOT = Path(__file__).parent.parent

# What each room may import of the house. A package may import from itself only what is named.
MAY_IMPORT = {
    "maintenance": {"config", "database", "engines", "utils"},
    "main": {"config", "database", "limiter", "middleware", "engines", "roads", "routes", "schemas", "utils"},
    "routes": {
        "engines",
        "models",
        "schemas",
        "utils",
        "routes.call",
        "routes.cookies",
        "routes.deps",
        "routes.downloads",
        "routes.errors",
        "routes.exact",
        "routes.fast",
        "routes.needs",
        "routes.router",
        "routes.schema",
    },
    "limiter": {"middleware", "schemas", "utils"},
    "middleware": {"schemas", "utils"},
    "engines": {
        "channels",
        "database",
        "models",
        "providers",
        "schemas",
        "utils",
        "engines.analysis",
        # Collaborators that engines are given.
        "engines.access",
        "engines.anomalies",
        "engines.calls",
        "engines.changes",
        "engines.encryption",
        "engines.events",
        "engines.identities",
        "engines.live",
        "engines.pricing",
        "engines.refusals",
        "engines.spans",
        "engines.terms",
        "engines.unread_spans",
    },
    "engines.analysis": {"models", "providers", "schemas", "utils.money", "engines.analysis"},
    "database": {"config", "queries", "roads", "schemas", "utils"},
    "queries": {"roads.road", "schemas", "utils", "queries.events", "queries.functions"},
    "roads": {"utils", "roads.embedded", "roads.migrations", "roads.road", "roads.shares"},
    "providers": {"models", "schemas", "utils", "providers"},
    "providers.formats": {"models", "utils", "providers.formats"},
    "schemas": {
        "models",
        "utils",
        "schemas.anomalies",
        "schemas.budgets",
        "schemas.costs",
        "schemas.events",
        "schemas.prices",
        "schemas.refusals",
        "schemas.reservations",
        "schemas.ranges",
        "schemas.settings",
        "schemas.usage",
    },
    "models": {"utils"},
    "channels": {"utils", "channels"},
    "config": set(),
    "utils": {"utils"},
}
# What a package assembles in its own file.
ASSEMBLES = {"engines/__init__.py": {"config", "engines"}, "routes/__init__.py": {"routes"}}
FORBIDDEN_LIBRARIES = {
    "routes": {"asyncpg", "supabase", "genai_prices", "os"},
    "limiter": {"asyncpg", "supabase", "genai_prices", "fastapi"},
    "middleware": {"asyncpg", "supabase", "genai_prices", "fastapi"},
    "engines": {"fastapi", "starlette", "asyncpg", "supabase", "genai_prices", "os"},
    "engines.analysis": {"fastapi", "starlette", "asyncpg", "supabase", "genai_prices", "os", "time", "asyncio"},
    "providers": {"fastapi", "starlette", "asyncpg", "supabase", "httpx", "os"},
    "providers.formats": {"fastapi", "starlette", "asyncpg", "supabase", "httpx", "os", "genai_prices"},
    "schemas": {"fastapi", "starlette", "asyncpg", "supabase", "httpx", "os"},
    "models": {"fastapi", "starlette", "asyncpg", "supabase", "httpx", "os"},
    "database": {"fastapi", "starlette", "asyncpg", "supabase", "postgrest", "httpx", "genai_prices"},
    "queries": {"fastapi", "starlette", "asyncpg", "supabase", "postgrest", "httpx", "genai_prices", "os"},
    "roads": {"fastapi", "starlette", "genai_prices", "pydantic"},
    "channels": {"fastapi", "starlette", "asyncpg", "supabase", "genai_prices", "os"},
    "config": {"fastapi", "starlette", "asyncpg", "supabase"},
    "main": {"asyncpg", "supabase", "genai_prices"},
    "maintenance": {"asyncpg", "supabase", "fastapi"},
    "utils": {"fastapi", "supabase", "asyncpg", "genai_prices"},
}


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return next(room for room in (".".join(parts[:2]), parts[0]) if room in MAY_IMPORT)


def modules() -> list[Path]:
    return [
        path
        for room in MAY_IMPORT
        for folder in [ROOT / room.replace(".", "/")]
        for path in ([folder.with_suffix(".py")] if not folder.is_dir() else sorted(folder.glob("*.py")))
    ]


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path.name} imports relatively"
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names if node.module in MAY_IMPORT]
    return names


def fits(name: str, allowed: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in allowed)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    allowed = MAY_IMPORT[room] | ASSEMBLES.get(str(path.relative_to(ROOT)), set())
    for name in imports(path):
        if name.split(".")[0] in MAY_IMPORT:
            ok = fits(name, allowed) or (room == "routes" and name == "routes")
            assert ok, f"{room} may not import {name}"
        assert name.split(".")[0] not in FORBIDDEN_LIBRARIES[room], f"{room} may not import {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_is_only_in_supabase(path: Path) -> None:
    # The record of the migrations is kept by the program.
    if path != ROOT / "roads" / "migrations.py":
        assert not re.search(r"\b(select .* from|insert into|delete from) ", path.read_text()), path


def schemas_of(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from schemas_of(model)


def test_requests_and_answers_are_public_and_rows_are_not() -> None:
    for path in (ROOT / "schemas").glob("*.py"):
        importlib.import_module(f"schemas.{path.stem}")
    public = json.loads((ROOT / "dashboard" / "openapi.json").read_text())["components"]["schemas"].keys()
    for model in (*schemas_of(Request), *schemas_of(Answer)):
        # What is only the base of others is not in the document.
        assert model.__name__ in public or model.__subclasses__(), model
    for model in schemas_of(Row):
        assert model.__name__ not in public, model


@pytest.mark.parametrize("path", sorted((ROOT / "routes").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_a_route_s_body_is_one_call(path: Path) -> None:
    if path.stem in ("deps", "downloads", "errors", "fast"):
        return
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AsyncFunctionDef):
            assert len(node.body) <= 2, f"{path.stem}.{node.name} decides too much"


def test_the_supabase_client_is_imported_only_when_used() -> None:
    program = "import main, sys; print({'supabase', 'postgrest', 'realtime'} & {*sys.modules})"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_every_function_that_creates_an_alert_or_a_workspace_completes_it() -> None:
    for name, function in schema.wanted().items():
        alerts = function.code.count("insert into public.alerts\n") + function.code.count("insert into public.alerts (")
        assert function.code.count("queue_deliveries(p_") == alerts or not alerts, name
        # It schedules the watch, too.
        assert "insert into public.workspaces" not in function.code or name == "llmlab_private.create_workspace", name


def test_the_migrations_are_made_of_the_schemas() -> None:
    assert schema.differing() == [], "run ./run.sh schema"
    first, *later = sorted(schema.MIGRATIONS.glob("*.sql"))
    assert later or first.read_text() == schema.baseline(first.name.split("_")[0]), "run ./run.sh schema"
    newest = [first, *later][-1]
    assert f"return '{newest.name.split('_')[0]}';" in newest.read_text()


def test_every_package_of_the_requirements_is_pinned() -> None:
    files = sorted(ROOT.glob("requirements*.txt"))
    assert len(files) == 2 + len(EXTRAS)
    for file in files:
        for line in file.read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert re.fullmatch(r"[\w.\[\]-]+==[\w.]+", line), line
