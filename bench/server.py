"""A temporary environment for benchmarks: a Postgres server and LLMLab servers in separate processes."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil

from bench.load import Client, LoadError, request
from roads.embedded import EmbeddedPostgres
from roads.migrations import migrate

ROOT = Path(__file__).parent.parent
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class BenchError(Exception):
    """A check failed, so the measurement is not valid."""


@dataclass(frozen=True)
class Account:
    """A user account."""

    token: str
    user_id: UUID
    workspace_id: UUID


@dataclass(frozen=True)
class Server:
    """A server process and its port."""

    port: int
    process: psutil.Process

    @property
    def memory(self) -> float:
        """Resident megabytes (10^6 bytes)."""
        return float(self.process.memory_info().rss) / 1e6

    async def sign_up(self, name: str) -> Account:
        """Creates an account with a workspace."""
        async with Client(self.port) as client:
            _, answer = await client.ask(sign_up_request(name))
        return Account(answer["access_token"], UUID(answer["user_id"]), UUID(answer["workspace_id"]))


class Lab:
    """A folder with an embedded Postgres, started like that of the product."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    @property
    def postgres(self) -> psutil.Process:
        """The parent of all Postgres processes."""
        return psutil.Process(int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0]))

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to the migrated database."""
        connection = await asyncpg.connect(self.url)
        await migrate(connection)
        return connection

    async def settle(self) -> None:
        """Does the work that a new Postgres cluster does in its first minutes.

        A checkpoint lets it reuse its log files, and the catalogs are vacuumed.
        """
        for database in ("template1", "postgres"):
            connection = await asyncpg.connect(self.url, database=database)
            await connection.execute("vacuum (analyze)")
            await connection.execute("checkpoint")
            await connection.close()

    @contextmanager
    def product(self, **settings: str) -> Iterator[Server]:
        """The server as started by `./run.sh`, with the embedded Postgres unless the settings name another database."""
        with self.process(str(ROOT / "main.py"), health="/api/health", settings=settings) as server:
            yield server

    @contextmanager
    def app(self, name: str, *, health: str | None = None) -> Iterator[Server]:
        """A server of bench.apps."""
        with self.process("-m", "bench.apps", name, "PORT", health=health, settings={}) as server:
            yield server

    @contextmanager
    def process(self, *arguments: str, health: str | None, settings: Mapping[str, str]) -> Iterator[Server]:
        """Runs Python with these arguments until the block ends; PORT is replaced by a free port."""
        port = free_port()
        environment = {
            **{name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(self.folder),
            "PORT": str(port),
            "RATE_LIMIT_PER_MINUTE": "0",
            "USER_RATE_LIMIT_PER_MINUTE": "0",
            # Counted and never reached.
            "INGEST_EVENTS_PER_MINUTE": "1000000000",
            "INGEST_BYTES_PER_MINUTE": "1000000000000",
            "ACCESS_TOKEN_EXPIRE_MINUTES": "1440",
            **settings,
        }
        command = [sys.executable, *(str(port) if a == "PORT" else a for a in arguments)]
        with running(command, environment, self.folder, port, health) as server:
            yield server


@contextmanager
def lab() -> Iterator[Lab]:
    """A new lab, removed when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="llmlab-bench-", dir=lab_folder()))
    postgres = EmbeddedPostgres(folder)
    try:
        yield Lab(folder, postgres.start())
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def lab_folder() -> str:
    """The parent folder of labs: /var/tmp, because /tmp may be in memory."""
    on_disk = "/var/tmp"  # noqa: S108
    return on_disk if Path(on_disk).is_dir() else tempfile.gettempdir()


def sign_up_request(name: str) -> bytes:
    """A sign-up request for a user with this name."""
    body = f'{{"email":"{name}@example.com","password":"correct horse battery","name":"{name}"}}'
    return request("POST", "/api/auth/signup", body=body.encode())


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], folder: Path, port: int, health: str | None
) -> Iterator[Server]:
    """Runs a server until the block ends. Raises BenchError with the end of its log if it fails."""
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait(process, port, health, log)
        yield Server(port, psutil.Process(process.pid))
        if process.poll() is not None:
            raise BenchError(_log_end(process, log))
    except LoadError as error:
        ended = _log_end(process, log) if process.poll() is not None else "The process is still running"
        raise BenchError(f"{error}. {ended}") from error
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processor_seconds(process: psutil.Process) -> float:
    """The CPU time of a process and its children, including ended ones."""
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            spent = member.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def _wait(process: "subprocess.Popen[bytes]", port: int, health: str | None, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(_log_end(process, log))
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                pass
            if health is None or _healthy(port, health):
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise BenchError(_log_end(process, log))


def _log_end(process: "subprocess.Popen[bytes]", log: Path) -> str:
    state = "does not answer" if process.returncode is None else f"ended with {process.returncode}"
    return f"{process.args!r} {state}:\n{log.read_text()[-2000:]}"


def _healthy(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    finally:
        connection.close()
