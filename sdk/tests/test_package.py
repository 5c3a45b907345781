"""The package as users get it: its public names, its README, and its wheel in an environment that has nothing else."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import MISSING, fields
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import llmlab
from llmlab._settings import Settings
from tests.workspace import Workspace

SDK = Path(__file__).parent.parent
README = (SDK / "README.md").read_text()


def test_the_public_names() -> None:
    assert llmlab.__all__ == [
        "BudgetExceeded",
        "CallResult",
        "ConfigurationError",
        "LLMLabError",
        "LLMObservabilityWrapper",
        "Metrics",
        "ModelDisabled",
        "ObservedCall",
        "PolicyViolation",
        "Stats",
        "TokenLimitExceeded",
        "Tracked",
        "Unreachable",
        "configure",
        "flush",
        "instrument",
        "log_call",
        "stats",
        "track",
        "track_cost",
        "uninstrument",
    ]
    assert all(hasattr(llmlab, name) for name in llmlab.__all__)


def test_errors_are_one_tree() -> None:
    tree = {
        llmlab.ConfigurationError: llmlab.LLMLabError,
        llmlab.BudgetExceeded: llmlab.LLMLabError,
        llmlab.PolicyViolation: llmlab.LLMLabError,
        llmlab.ModelDisabled: llmlab.PolicyViolation,
        llmlab.TokenLimitExceeded: llmlab.PolicyViolation,
        llmlab.Unreachable: llmlab.LLMLabError,
    }
    for error, parent in tree.items():
        assert error.__bases__ == (parent,)


@pytest.mark.parametrize("path", sorted((SDK / "llmlab").glob("**/*.py")), ids=lambda path: path.stem)
def test_the_core_needs_only_httpx_and_everything_python_3_10(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    if path.parent.name == "llmlab":
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert {name.split(".")[0] for name in names} <= {"httpx", "llmlab"} | sys.stdlib_module_names


def needed(name: str, found: dict[str, Path]) -> None:
    """Adds the files of a distribution and of all it needs, each with the folder they are in."""
    installed = distribution(name)
    for file in installed.files or ():
        found[str(file)] = Path(str(installed.locate_file(file)))
    for line in installed.requires or ():
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and distribution(requirement.name).metadata["Name"] not in found:
            found[distribution(requirement.name).metadata["Name"]] = Path()
            needed(requirement.name, found)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it says it needs, made without a network."""
    source, wheels, home = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "home"))
    shutil.copytree(SDK / "llmlab", source / "llmlab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(SDK / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", wheels, source], check=True, timeout=120
    )
    (wheel,) = wheels.glob("llmlab_sdk-*.whl")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-index", "--no-deps", wheel], check=True, timeout=120)
    site = next((home / "lib").glob("python*")) / "site-packages"
    (metadata,) = site.glob("llmlab_sdk-*.dist-info/METADATA")
    needs = re.findall(r"^Requires-Dist: (\S+)", metadata.read_text(), re.MULTILINE)
    assert [Requirement(need).name for need in needs] == ["httpx"]
    found: dict[str, Path] = {}
    needed("httpx", found)
    for name, path in found.items():
        if path.is_file() and not name.startswith(".."):
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, site / name)
    return home


def test_the_readmes_three_lines_work_from_the_wheel_alone(
    environment: Path, workspace: Workspace, tmp_path: Path
) -> None:
    first = README[README.index("```python\n") + len("```python\n") :].split("```")[0]
    assert len([line for line in first.splitlines() if line]) == 3
    done = subprocess.run(
        [environment / "bin" / "python", "-W", "error", "-c", first.replace("llmlab_sk_...", workspace.key)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LLMLAB_URL": workspace.url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    event = workspace.event()
    assert (event["provider"], event["model"], event["input_tokens"], event["output_tokens"]) == (
        "openai",
        "gpt-4o-mini",
        1200,
        300,
    )


def test_the_wheel_says_that_it_is_typed(environment: Path) -> None:
    (package,) = (environment / "lib").glob("python*/site-packages/llmlab")
    assert (package / "py.typed").exists()
    assert not (package.parent / "tests").exists()


def test_the_readme_names_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (?:`(.*?)`)? *\|", README, re.MULTILINE)
    settings = {setting.name: setting for setting in fields(Settings)}
    assert [name for name, _, _ in rows] == list(settings)
    assert set(inspect.signature(llmlab.configure).parameters) == set(settings)
    for name, variable, default in rows:
        assert variable == ("LLMLAB_URL" if name == "base_url" else f"LLMLAB_{name.upper()}")
        if settings[name].default is not MISSING:
            assert default == ("" if settings[name].default is None else str(settings[name].default))
