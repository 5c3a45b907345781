"""Events on disk: segments of JSON Lines, each used by one process at a time.

Every event is written before its call returns, so it survives the end of its process, also by a signal. A process has
two segments. It appends to the current one, and when it sends the events so far, the other one takes its place; the
sent one is emptied. It holds a lock on both (flock), which ends with the process: what it has not sent is sent by
another process. An event that was sent but not removed is sent again. The events have ids, so they count once.
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

# After an error, the disk is not used for this long.
_PAUSE_SECONDS = 60.0


class Segment:
    """A file of events that this process has locked."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.file = file
        self.size = 0

    def append(self, line: bytes) -> None:
        """Writes a line. Raises OSError and leaves the file as it was."""
        if os.write(self.file, line) != len(line):
            os.ftruncate(self.file, self.size)
            raise OSError("the disk is full")
        self.size += len(line)


class Spool:
    """The spool for one URL and API key, in its own folder under `directory`. Not thread-safe, except `replay`."""

    def __init__(self, directory: Path | None, limit: int, target: str) -> None:
        self._limit = limit
        self._directory = None
        if directory is not None and fcntl is not None:
            self._directory = directory / hashlib.sha256(target.encode()).hexdigest()[:16]
        self._current: Segment | None = None
        self._spare: Segment | None = None
        self._own: set[str] = set()
        self._room = 0
        self._retry_at = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether events can be written, as far as is known."""
        return self._directory is not None and time.monotonic() >= self._retry_at

    @property
    def written(self) -> int:
        """The size of the current segment."""
        return 0 if self._current is None else self._current.size

    def append(self, line: bytes) -> bool:
        """Writes an event to the current segment. Returns False if the limit is reached or the disk fails."""
        if not self.is_usable:
            return False
        try:
            if self._current is None:
                self._room = self._limit - self._used()
                self._current = self._open()
            if len(line) >= self._room:
                return False
            self._current.append(line + b"\n")
            self._room -= len(line) + 1
        except OSError as error:
            self._fail(error)
            return False
        return True

    def prepare(self) -> int:
        """Opens a segment to continue with, because that takes time. Returns the room on disk, for `cut`."""
        if self._current is not None and self._spare is None and self.is_usable:
            try:
                self._spare = self._open()
            except OSError as error:
                self._fail(error)
        return self._limit - self._used()

    def cut(self, room: int) -> Segment | None:
        """Ends the current segment and continues with the other one. Returns the ended one; None if it is empty."""
        if self._current is None or not self._current.size:
            return None
        ended, self._current, self._spare = self._current, self._spare, None
        self._room = room
        return ended

    def clear(self, segment: Segment) -> None:
        """Empties a segment, all of whose events were sent or written elsewhere."""
        if self._spare is None:
            try:
                os.ftruncate(segment.file, 0)
                segment.size = 0
                self._spare = segment
                return
            except OSError as error:
                self._fail(error)
        self._remove(segment)

    def leave(self, segment: Segment, lines: Sequence[bytes] | None = None) -> None:
        """Unlocks a segment, so that it can be replayed. If given, `lines` are the events that it should contain."""
        if lines is not None:
            try:
                kept = self._open()
                for line in lines:
                    kept.append(line + b"\n")
                segment, sent = kept, segment
                self._remove(sent)
            except OSError as error:
                # It contains more than needed.
                self._fail(error)
        with suppress(OSError):
            # Segments are reused, so the name says when its events ended.
            segment.path.rename(segment.path.with_name(_new_name()))
        self._release(segment)

    def close(self) -> None:
        """Unlocks the segments, and removes those without events."""
        for segment in (self._current, self._spare):
            if segment is not None and segment.size:
                self._release(segment)
            elif segment is not None:
                self._remove(segment)
        self._current = self._spare = None

    def abandon(self) -> None:
        """In a forked child: leaves the segments to the parent, whose lock stays."""
        for segment in (self._current, self._spare):
            if segment is not None:
                with suppress(OSError):
                    os.close(segment.file)
        self._current = self._spare = None

    def has_segments(self) -> bool:
        """Whether there are events on disk besides this process's own segments."""
        for path in self._segments():
            with suppress(OSError):
                if path.name not in self._own and path.stat().st_size:
                    return True
        return False

    def replay(self) -> Iterator[list[bytes]]:
        """The events of each unlocked segment, oldest first. A segment is removed when the next one is requested."""
        for path in self._segments():
            if path.name in self._own:
                continue
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
                if lines := [line.rstrip(b"\n") for line in segment if line.endswith(b"}\n")]:
                    yield lines
                path.unlink()

    def _release(self, segment: Segment) -> None:
        self._own.discard(segment.path.name)
        with suppress(OSError):
            os.close(segment.file)

    def _remove(self, segment: Segment) -> None:
        with suppress(OSError):
            segment.path.unlink()
        self._release(segment)

    def _fail(self, error: OSError) -> None:
        self._retry_at = time.monotonic() + _PAUSE_SECONDS
        warn("spool", f"Could not write events to {self._directory}: {error}")

    def _segments(self) -> list[Path]:
        if self._directory is None:
            return []
        try:
            return sorted(self._directory.glob("*.jsonl"))
        except OSError:
            return []

    def _used(self) -> int:
        used = 0
        for path in self._segments():
            with suppress(OSError):
                used += path.stat().st_size
        return used

    def _open(self) -> Segment:
        """Creates a segment and locks it. Raises OSError."""
        directory = self._directory
        assert directory is not None
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        while True:
            path = directory / _new_name()
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            # Another process may have removed the file before it was locked.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    break
            os.close(file)
        self._own.add(path.name)
        return Segment(path, file)


def _new_name() -> str:
    return f"{time.time_ns():020d}-{os.getpid()}.jsonl"
