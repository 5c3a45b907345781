"""Events on disk while LLMLab is away: JSON lines in segments, each written and replayed by one process at a time.

Whoever writes or replays a segment holds a lock on it (flock), which ends with the process. A segment that was sent but
not yet removed is sent again by the next process: the events have ids, so that is harmless.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from llmlab._logs import complain

try:
    import fcntl
except ImportError:  # Windows has no flock; there nothing is spooled.
    fcntl = None  # type: ignore[assignment]

_SEGMENT_BYTES = 2**20


class Spool:
    """The spool of one address and API key, under a folder that several of them share."""

    def __init__(self, directory: Path | None, limit: int, target: str) -> None:
        self._limit = limit
        self._directory = None
        if directory is not None and fcntl is not None:
            self._directory = directory / hashlib.sha256(target.encode()).hexdigest()[:16]
        self._segment: int | None = None
        self._written = 0
        self._room = 0

    def append(self, lines: Sequence[bytes]) -> int:
        """Writes events, oldest first; returns how many there was room for."""
        if self._directory is None:
            return 0
        try:
            for number, line in enumerate(lines):
                if self._segment is None or self._written >= _SEGMENT_BYTES:
                    self._open(self._directory)
                assert self._segment is not None
                if len(line) >= self._room:
                    return number
                os.write(self._segment, line + b"\n")
                self._written += len(line) + 1
                self._room -= len(line) + 1
        except OSError as error:
            self.release()
            complain("spool", f"Events cannot be kept on disk in {self._directory}: {error}")
            return 0
        return len(lines)

    def anything(self) -> bool:
        """Whether events of any process are on disk."""
        return any(True for _ in self._segments())

    def replay(self) -> Iterator[list[bytes]]:
        """The events of each segment nobody else is at, oldest first; it is removed when the next is asked for."""
        self.release()
        for path in self._segments():
            # A segment of another process may be gone by now.
            with suppress(FileNotFoundError), path.open("rb") as segment:
                assert fcntl is not None
                try:
                    fcntl.flock(segment, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if not os.path.samestat(os.fstat(segment.fileno()), path.stat()):
                    continue
                # What the end of a process has cut off is no event.
                yield [line.rstrip(b"\n") for line in segment if line.endswith(b"}\n")]
                path.unlink()

    def release(self) -> None:
        """Ends the segment being written, so that it can be replayed."""
        if self._segment is not None:
            os.close(self._segment)
            self._segment = None

    def _segments(self) -> list[Path]:
        if self._directory is None:
            return []
        try:
            return sorted(self._directory.glob("*.jsonl"))
        except OSError:
            return []

    def _open(self, directory: Path) -> None:
        self.release()
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        used = 0
        for path in self._segments():
            with suppress(FileNotFoundError):
                used += path.stat().st_size
        while True:
            path = directory / f"{time.time_ns():020d}-{os.getpid()}.jsonl"
            segment = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(segment, fcntl.LOCK_EX)
            # Another process may have taken it for one without an owner, and removed it.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(segment), path.stat()):
                    break
            os.close(segment)
        self._segment, self._written, self._room = segment, 0, self._limit - used
