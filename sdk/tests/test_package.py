"""The package as users get it: public names, README, and the wheel in an environment with only its dependencies."""

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
from tests.support.workspace import Workspace

SDK = Path(__file__).parent.parent
CLI = SDK.parent / "cli"
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
    """Adds the files of a distribution and its dependencies, with their paths."""
    installed = distribution(name)
    for file in installed.files or ():
        found[str(file)] = Path(str(installed.locate_file(file)))
    for line in installed.requires or ():
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and distribution(requirement.name).metadata["Name"] not in found:
            found[distribution(requirement.name).metadata["Name"]] = Path()
            needed(requirement.name, found)


def installed(folders: list[Path], home: Path, needs: set[str], tmp: Path) -> Path:
    """A virtual environment with the wheels of these projects and their declared dependencies, built offline."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for folder in folders:
        source = tmp / folder.name
        shutil.copytree(folder, source, ignore=shutil.ignore_patterns("__pycache__", "tests", ".*"))
        subprocess.run(
            [*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", tmp, source], check=True, timeout=120
        )
    venv.create(home, with_pip=False, symlinks=True)
    python, wheels = home / "bin" / "python", sorted(tmp.glob("*.whl"))
    subprocess.run([*pip, "--python", python, "install", "--no-index", "--no-deps", *wheels], check=True, timeout=120)
    site = next((home / "lib").glob("python*")) / "site-packages"
    metadata = "".join(path.read_text() for path in site.glob("llmlab_*.dist-info/METADATA"))
    assert {Requirement(need).name for need in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)} == needs
    found: dict[str, Path] = {}
    for name in needs - {"llmlab-sdk"}:
        needed(name, found)
    for name, path in found.items():
        if path.is_file() and not name.startswith(".."):
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, site / name)
    return home


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK and its dependencies only."""
    return installed([SDK], tmp_path_factory.mktemp("home"), {"httpx"}, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def environment_of_both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK and the command line tool."""
    needs = {"click", "httpx", "llmlab-sdk", "rich"}
    return installed([SDK, CLI], tmp_path_factory.mktemp("home"), needs, tmp_path_factory.mktemp("wheels"))


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
        timeout=120,
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


def test_the_command_line_works_from_the_wheels_alone(
    environment_of_both: Path, workspace: Workspace, tmp_path: Path
) -> None:
    key = workspace.ask("POST", "/api/keys", {"name": "reader", "scopes": ["read"]})["key"]
    call = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 500}
    workspace.ask("POST", "/api/events/track", call)

    def llmlab(*arguments: str) -> str:
        return subprocess.run(
            [environment_of_both / "bin" / "llmlab", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONWARNINGS": "error"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    assert llmlab("--version") == "llmlab, version 0.1.0\n"
    assert key not in llmlab("init", key, "--url", workspace.url)
    shown = llmlab("costs", "--since", "7d")
    assert re.search(r"^gpt-4o +openai +1 +1,500 +0 +\$0\.0075$", shown, re.MULTILINE)
    (package,) = (environment_of_both / "lib").glob("python*/site-packages/llmlab_cli")
    assert (package / "py.typed").exists()


def test_the_wheel_is_marked_as_typed(environment: Path) -> None:
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
