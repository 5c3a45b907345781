"""The server in a thread of the test's process, for tests that need no separate process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from config import Settings
from main import create_app
from tests.support.product import PATIENCE


class ThreadServer:
    """A server that listens on a port. It starts in a twentieth of the time of a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self.url = ""

    def start(self) -> None:
        """Listens on a port that the system picks."""
        config = uvicorn.Config(
            create_app(self._settings), port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        end = time.monotonic() + PATIENCE
        while not self._server.started:
            assert self._thread.is_alive()
            assert time.monotonic() < end
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Ends it, also when it was not started."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None


@contextmanager
def two_servers(settings: Settings) -> Iterator[tuple[ThreadServer, ThreadServer]]:
    """Two running servers over one database."""
    servers = ThreadServer(settings), ThreadServer(settings)
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()
