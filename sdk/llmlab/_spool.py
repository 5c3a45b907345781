"""Events on disk while LLMLab is unreachable: segments of JSON Lines, each used by one process at a time.

The process that writes or replays a segment holds a lock on it (flock), which ends with the process. A segment that was
sent but not removed is sent again by the next process. The events have ids, so they count once.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from llmlab._logs import warn

try:
    import fcntl
except ImportError:  # Windows has no flock, so events are not spooled there.
    fcntl = None  # type: ignore[assignment]

_SEGMENT_BYTES = 2**20


class Spool:
    """The spool for one URL and API key, in its own folder under `directory`."""

    def __init__(self, directory: Path | None, limit: int, target: str) -> None:
        self._limit = limit
        self._directory = None
        if directory is not None and fcntl is not None:
            self._directory = directory / hashlib.sha256(target.encode()).hexdigest()[:16]
        self._segment: int | None = None
        self._written = 0
        self._room = 0

    def append(self, lines: Sequence[bytes]) -> int:
        """Writes events, oldest first; returns the number written before the limit was reached."""
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
            warn("spool", f"Could not write events to {self._directory}: {error}")
            return 0
        return len(lines)

    def has_segments(self) -> bool:
        """Whether there are events of any process on disk."""
        return any(True for _ in self._segments())

    def replay(self) -> Iterator[list[bytes]]:
        """The events of each unlocked segment, oldest first. A segment is removed when the next one is requested."""
        self.release()
        for path in self._segments():
            # Another process may have removed its segment by now.
            with suppress(FileNotFoundError), path.open("rb") as segment:
                assert fcntl is not None
                try:
                    fcntl.flock(segment, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if not os.path.samestat(os.fstat(segment.fileno()), path.stat()):
                    continue
                # Skip an incomplete line from a process that was killed.
                yield [line.rstrip(b"\n") for line in segment if line.endswith(b"}\n")]
                path.unlink()

    def release(self) -> None:
        """Closes the current segment, so that it can be replayed."""
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
            # Another process may have removed the file before it was locked.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(segment), path.stat()):
                    break
            os.close(segment)
        self._segment, self._written, self._room = segment, 0, self._limit - used
