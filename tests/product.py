"""The product as its users start it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent


class Server:
    """The product as its users start it: a process of its own with its embedded Postgres."""

    program: tuple[str, ...] = ("main.py",)

    def __init__(self, data_dir: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "RATE_LIMIT_PER_MINUTE": "0",
            **environment,
        }
        self._log = data_dir.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        for _ in range(300):
            try:
                httpx.get(f"{self.url}/health", timeout=1)
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self._log.read_text()
                time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def stop(self, with_signal: int = signal.SIGINT) -> None:
        assert self.process is not None
        self.process.send_signal(with_signal)
        self.process.wait(30)

    @property
    def database(self) -> str:
        """The address of its embedded Postgres, which runs; the socket of a long path is elsewhere."""
        folder = (self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        return f"postgresql://postgres@/postgres?host={folder}"
