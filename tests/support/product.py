"""The product as its users start it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from config import Settings
from tests.support.ports import free_port

ROOT = Path(__file__).parent.parent.parent
# Seconds for a server to start or stop, on a busy machine.
PATIENCE = 600


def environment(**settings: str) -> dict[str, str]:
    """The environment of a process of the product, with these settings and no others of this machine."""
    fixed = {name.upper() for name in Settings.model_fields}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in fixed and not name.startswith(("OTEL_", "LLMLAB_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "DASHBOARD": "off", **settings}


class Server:
    """The product as its users start it: a process of its own with its embedded Postgres."""

    program: tuple[str, ...] = (str(ROOT / "main.py"),)

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.environment = environment(
            DATA_DIR=str(data_dir), PORT=str(self.port), RATE_LIMIT_PER_MINUTE="0", **settings
        )
        self._log = data_dir.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            # Not in the folder of the sources, which may have a .env.
            self.process = subprocess.Popen(
                [sys.executable, *self.program], cwd=self.data_dir.parent, env=self.environment, stdout=log, stderr=log
            )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.get(f"{self.url}/health", timeout=PATIENCE)
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self._log.read_text()
                if time.monotonic() > end:
                    self.stop()
                    raise AssertionError(self._log.read_text()) from None
                time.sleep(0.05)

    def stop(self, with_signal: int = signal.SIGINT) -> None:
        assert self.process is not None
        self.process.send_signal(with_signal)
        self.process.wait(PATIENCE)

    @property
    def database(self) -> str:
        """The address of its embedded Postgres, which runs; the socket of a long path is elsewhere."""
        folder = (self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        return f"postgresql://postgres@/postgres?host={folder}"


def postgres_processes(data_dir: Path) -> list[str]:
    """The Postgres servers of a data folder."""
    listing = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if f"-D {data_dir}" in line]
