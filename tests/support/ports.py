"""Ports for servers that the tests start in processes of their own."""

import fcntl
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

# Below the ports that the system gives to outgoing connections, so that none of them takes one before its server does.
_PORTS = range(10_000, 32_000)
_FOLDER = Path(tempfile.gettempdir()) / "llmlab-test-ports"
# Held until the process ends.
_reserved: list[IO[bytes]] = []


def free_port() -> int:
    """A port that no other process of any test run gets during the life of this one."""
    if not _FOLDER.exists():
        _FOLDER.mkdir(exist_ok=True)
        # Other users test, too.
        _FOLDER.chmod(0o1777)
    for port in random.sample(_PORTS, len(_PORTS)):
        lock = _reserve(port)
        if lock is not None:
            _reserved.append(lock)
            return port
    raise AssertionError("every port is taken")


def _reserve(port: int) -> IO[bytes] | None:
    """Keeps other test runs from taking a port until the file is closed; None if it is taken."""
    try:
        lock = (_FOLDER / str(port)).open("ab")
    except PermissionError:
        # Another user's run has it.
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return None
    return lock
