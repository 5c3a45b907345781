"""A real LLMLab for the tests of the SDK, and a workspace for each test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmlab import _logs, _runtime
from tests.support.ports import free_port
from tests.support.product import Server
from tests.support.workspace import Workspace


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def nowhere() -> str:
    """A URL without a server."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test starts unconfigured, and its runtime is shut down afterwards."""
    for name in list(os.environ):
        if name.startswith("LLMLAB_"):
            monkeypatch.delenv(name)
    _logs._logged_at.clear()
    yield
    _runtime.shutdown()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The folder for events on disk."""
    return tmp_path / "spool"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """An LLMLab that a test may stop."""
    server = Server(tmp_path / "data")
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


@pytest.fixture
def configure(workspace: Workspace, spool: Path) -> Callable[..., None]:
    """Calls llmlab.configure for the test's workspace, with additional settings."""

    def configure(**settings: Any) -> None:
        _runtime.configure(
            **{
                "api_key": workspace.key,
                "base_url": workspace.url,
                "spool_dir": spool,
                "flush_interval": 0.05,
                "policy_seconds": 0.1,
                **settings,
            }
        )

    return configure
