"""A running LLMLab, and the program as users run it, in this process."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from llmlab_cli.main import run
from tests.support.workspace import Workspace


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, in which nothing is configured."""
    for name in list(os.environ):
        if name.startswith(("LLMLAB_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def llmlab(monkeypatch: pytest.MonkeyPatch) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs the program with these arguments; what it was given on standard input is `input`."""

    def llmlab(*arguments: object, input: str = "") -> "subprocess.CompletedProcess[str]":
        words = [str(argument) for argument in arguments]
        out, err = io.BytesIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["llmlab", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        text = io.TextIOWrapper(out, "utf-8", write_through=True)
        with redirect_stdout(text), redirect_stderr(err), pytest.raises(SystemExit) as end:
            run()
        code = end.value.code
        assert isinstance(code, int)
        assert "Traceback" not in err.getvalue()
        assert "\x1b" not in out.getvalue().decode() + err.getvalue()
        return subprocess.CompletedProcess(words, code, out.getvalue().decode(), err.getvalue())

    return llmlab


@pytest.fixture
def signed_in(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The environment names the workspace's server and an API key that may do everything."""
    key = workspace.ask("POST", "/api/keys", {"name": "everything", "scopes": ["admin"]})["key"]
    monkeypatch.setenv("LLMLAB_URL", workspace.url)
    monkeypatch.setenv("LLMLAB_API_KEY", key)
    return workspace
