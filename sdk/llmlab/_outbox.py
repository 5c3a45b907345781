"""The outbox: writes each event to disk and to a bounded queue, and sends batches from a thread."""

import json
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import httpx

from llmlab._http import Http, detail, retry_after
from llmlab._lines import Unreadable, line_of, with_counts
from llmlab._logs import warn
from llmlab._settings import Settings
from llmlab._spool import Segment, Spool

_BATCH_EVENTS = 500
_BATCH_BYTES = 900_000
_SEND_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0
# After a timeout, `send_now` queues events for this long instead of waiting for an answer.
_QUIET_SECONDS = 5.0
# Interval of the search for spool segments of processes that have ended.
_SCAN_SECONDS = 60.0
# A segment of which no event is in memory is left to be replayed when it has this size.
_SEGMENT_BYTES = 2**20
# `catch_up` delivers events that wait for longer. With the longest calls, this is less than a reservation's lifetime.
_LATE_SECONDS = 240.0
_NEVER = sys.maxsize


class Stats(NamedTuple):
    """Event counts of this process.

    `waiting` is the number in memory; `on_disk` counts those left on disk so far while LLMLab was unreachable.
    `unreadable` counts the calls that are not recorded because no usage could be read, and `unchecked` those that were
    made without a budget check, because LLMLab did not answer.
    """

    sent: int
    waiting: int
    on_disk: int
    dropped: int
    rejected: int
    unreadable: int
    unchecked: int = 0


class _Entry(NamedTuple):
    """A queued event, as a line of JSON or not converted yet, and whether it is on disk."""

    event: bytes | dict[str, Any]
    is_on_disk: bool


class Unavailable(Exception):
    """LLMLab does not accept events at the moment. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Outbox:
    """Accepts events without blocking and delivers each to LLMLab."""

    def __init__(self, settings: Settings, http: Http) -> None:
        self._settings = settings
        self._http = http
        self._target = f"{settings.base_url}\n{settings.api_key}"
        self._idle: Callable[[], None] = lambda: None
        self._due: Callable[[], float] = lambda: float("inf")
        self._close: Callable[[], None] = lambda: None
        self.after_fork()

    def also_run(self, idle: Callable[[], None], due: Callable[[], float], close: Callable[[], None]) -> None:
        """Sets what the thread calls before each delivery, when it has to, and what ends the process's outbox."""
        self._idle, self._due, self._close = idle, due, close

    def after_fork(self) -> None:
        """Starts empty. In a forked child, the events belong to the parent."""
        previous = getattr(self, "_spool", None)
        if previous is not None:
            previous.abandon()
        self._spool = Spool(self._settings.spool_dir, self._settings.spool_bytes, self._target)
        # Held while an event is put on disk and in the queue, so that both are cut at the same event. It is reentrant,
        # because a garbage collector run may put an event.
        self._lock = threading.RLock()
        self._queue: deque[_Entry] = deque()
        # Whether the current segment has events that are no longer in memory.
        self._is_left = False
        # Events ahead of the queue that are only in memory.
        self._lines: deque[bytes] = deque()
        self._in_progress = 0
        self._limit = self._settings.queue_size
        # SimpleQueue.put is reentrant, unlike Event.set, and may be called from a garbage collector run.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._wake_at = _NEVER
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._flushes = threading.Condition()
        self._flush_requests = self._flushes_done = 0
        self._delivered = True
        self._send_seconds = _SEND_SECONDS
        self._failures = 0
        self._away_until = self._quiet_until = 0.0
        self._scan_at = 0.0
        self._spooled = True
        # When the last delivery began that left no event waiting.
        self._clear_at = float("-inf")
        self._sent = self._on_disk = self._dropped = self._rejected = self._unreadable = 0

    # For callers

    def put(self, event: dict[str, Any]) -> None:
        """Writes an event to disk and queues it, or drops it if the queue is full."""
        if len(self._queue) >= self._limit:
            self._dropped += 1
            warn("full", f"The queue is full: {self._dropped} calls were dropped so far")
            return
        if self._spool.is_usable:
            line = self._line(event)
            if line is None:
                return
            # The thread adds the saved cost of a cache hit, which it has to request.
            queued = event if event.get("saving") is not None else line
            with self._lock:
                self._queue.append(_Entry(queued, self._spool.append(line)))
        else:
            with self._lock:
                self._queue.append(_Entry(event, False))
        if len(self._queue) >= self._wake_at:
            self._wake_at = _NEVER
            self._wake.put(None)
        if self._thread is None:
            self.start()

    def nudge(self) -> None:
        """Makes an idle thread compute again when something is due."""
        if self._wake_at == 1:
            self._wake.put(None)

    def start(self) -> None:
        """Starts the thread if it is not running."""
        if self._thread is not None:
            return
        # If the lock is taken, another thread is starting it.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="llmlab", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter is shutting down; `close` sends the queue.
                    return
                self._thread = thread
                if "multiprocessing.util" in sys.modules:
                    # Children of multiprocessing do not run atexit handlers.
                    from multiprocessing import parent_process, util

                    if parent_process() is not None:
                        util.Finalize(None, self._close, exitpriority=10)
        finally:
            self._starting.release()

    def unreadable(self) -> None:
        """Counts a call that is not recorded because its response contains no usage."""
        self._unreadable += 1
        warn(
            "unreadable",
            f"{self._unreadable} calls were not recorded so far, because no usage could be read from their answers; "
            "set it with call.usage(...)",
        )

    def flush(self, timeout: float) -> bool:
        """Sends all events; returns whether LLMLab has received them. Tries only once if LLMLab is unreachable."""
        self.start()
        if self._thread is None:
            return self._deliver(forced=True)
        with self._flushes:
            self._flush_requests += 1
            request = self._flush_requests
            self._wake.put(None)
            done = self._flushes.wait_for(lambda: self._flushes_done >= request, timeout)
            return done and self._delivered

    def catch_up(self, seconds: float) -> bool:
        """Delivers events that have waited for long, or that an earlier process left. Returns whether none are left."""
        now = time.monotonic()
        if now - self._clear_at < _LATE_SECONDS:
            return True
        self._spooled = self._spooled and self._spool.has_segments()
        if not (self._queue or self._lines or self._in_progress or self._spooled or self._is_left):
            self._clear_at = now
            return True
        return self.flush(seconds)

    def send_now(self, event: dict[str, Any], seconds: float) -> Decimal | None:
        """Sends an event at once and returns its cost. Queues it instead after a timeout or while unreachable."""
        if seconds > 0 and time.monotonic() >= max(self._away_until, self._quiet_until):
            try:
                response = self._http.request(
                    "POST",
                    "/api/events/track",
                    timeout=seconds,
                    content=line_of(event),
                    headers={"Content-Type": "application/json"},
                )
                if response.status_code in (200, 201):
                    cost = json.loads(response.content, parse_float=Decimal)["cost"]
                    self._sent += 1
                    return None if cost is None else Decimal(cost)
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                # If the event itself is invalid, the queue rejects it too.
                self._quiet_until = time.monotonic() + _QUIET_SECONDS
        self.put(event)
        return None

    def close(self, timeout: float) -> None:
        """Sends all events, also those of processes that have ended, and stops the thread.

        Events left after `timeout` seconds are on disk.
        """
        thread = self._thread
        if thread is not None:
            self._closing = True
            self._wake.put(None)
            thread.join(timeout)
            if thread.is_alive():
                return
        elif self._queue or self._lines or self._spool.has_segments():
            self._send_seconds = min(_SEND_SECONDS, timeout)
            self._deliver(forced=True)
        with self._lock:
            self._spool.close()

    def stats(self) -> Stats:
        """Counts of the events since `configure`."""
        waiting = len(self._queue) + len(self._lines) + self._in_progress
        return Stats(self._sent, waiting, self._on_disk, self._dropped, self._rejected, self._unreadable)

    def _line(self, event: dict[str, Any]) -> bytes | None:
        """The event as a line; None, counted, if it has none."""
        try:
            return line_of(event)
        except Unreadable:
            self.unreadable()
        except Exception:
            self._rejected += 1
            warn("line", "Could not convert a call to JSON", traceback=True)
        return None

    # The thread

    def _run(self) -> None:
        while True:
            self._wait()
            requests, closing = self._flush_requests, self._closing
            delivered = False
            try:
                if not closing:
                    self._idle()
                delivered = self._deliver(forced=requests != self._flushes_done)
            except Exception:
                warn("outbox", "Could not send events", traceback=True)
                self._away_until = time.monotonic() + _MAX_PAUSE_SECONDS
            with self._flushes:
                self._delivered = delivered
                self._flushes_done = requests
                self._flushes.notify_all()
            if closing:
                # An event put after this starts a new thread.
                self._closing, self._thread = False, None
                return

    def _wait(self) -> None:
        """Blocks until there are events and the flush interval has passed, or until something else is due."""
        self._sleep(0)
        if self._is_urgent():
            return
        self._wake_at = 1
        if not self._queue:
            self._sleep(self._until_due())
        if self._queue and not self._is_urgent():
            self._wake_at = _BATCH_EVENTS
            if len(self._queue) < _BATCH_EVENTS or time.monotonic() < self._away_until:
                self._sleep(self._settings.flush_interval)
        self._wake_at = _NEVER

    def _sleep(self, seconds: float) -> None:
        """Blocks until woken or for `seconds`, then clears all wake-ups."""
        try:
            if seconds > 0:
                self._wake.get(timeout=seconds)
            while True:
                self._wake.get_nowait()
        except Empty:
            return

    def _is_urgent(self) -> bool:
        return self._closing or self._flush_requests != self._flushes_done

    def _until_due(self) -> float:
        now = time.monotonic()
        due = min(now + min(self._settings.policy_seconds, _SCAN_SECONDS), self._due())
        if self._away_until > now and (self._lines or self._spooled or self._is_left):
            due = min(due, self._away_until)
        return max(due - now, 0.01)

    def _deliver(self, *, forced: bool) -> bool:
        """Sends events of ended processes, then the queue. Returns whether no event is left.

        While LLMLab is unreachable, events stay on disk, and those that could not be written in memory.
        """
        now = time.monotonic()
        if now < self._away_until and not forced:
            self._leave_queue()
            return False
        entries, segment = self._cut()
        sent = 0
        try:
            self._replay(now, scan=forced or self._closing)
            entries = [_Entry(line, on_disk) for event, on_disk in entries if (line := self._priced(event)) is not None]
            self._in_progress = len(entries)
            for batch in _batches([entry.event for entry in entries if isinstance(entry.event, bytes)]):
                self._send(batch)
                sent += len(batch)
                self._in_progress = len(entries) - sent
        except Exception as error:
            self._keep(entries[sent:], segment, is_whole=sent == 0)
            if not isinstance(error, Unavailable):
                raise
            self._pause(error)
            return False
        finally:
            self._in_progress = 0
            self._limit = self._settings.queue_size - len(self._lines)
        if segment is not None:
            with self._lock:
                self._spool.clear(segment)
        self._failures = 0
        self._away_until = 0.0
        self._clear_at = now
        return True

    def _cut(self) -> tuple[list[_Entry], Segment | None]:
        """Takes all events from memory, and the segment that contains them and no others."""
        room = self._spool.prepare() if self._queue or self._is_left else 0
        with self._lock:
            entries = [*(_Entry(line, False) for line in self._lines), *self._queue]
            self._lines.clear()
            self._queue.clear()
            segment = self._spool.cut(room)
            is_left, self._is_left = self._is_left, False
        if is_left and segment is not None:
            on_disk = [entry for entry in entries if entry.is_on_disk]
            self._keep(on_disk, segment, is_whole=True)
            return [entry for entry in entries if not entry.is_on_disk], None
        return entries, segment

    def _keep(self, entries: list[_Entry], segment: Segment | None, *, is_whole: bool) -> None:
        """Leaves events that were not sent on disk, or else in memory. `is_whole`: none of the segment was sent."""
        on_disk: list[bytes] = []
        for event, is_on_disk in entries:
            line = event if isinstance(event, bytes) else self._line(event)
            if line is not None:
                (on_disk if is_on_disk else self._lines).append(line)
        self._on_disk += len(on_disk)
        if segment is None:
            return
        self._spooled = True
        if is_whole:
            self._spool.leave(segment)
        else:
            self._spool.leave(segment, on_disk)

    def _leave_queue(self) -> None:
        """Removes the events from memory that are on disk."""
        with self._lock:
            kept = [entry for entry in self._queue if not entry.is_on_disk]
            left = len(self._queue) - len(kept)
            self._queue.clear()
            self._queue.extend(kept)
            self._is_left = self._is_left or left > 0
            self._on_disk += left
            is_large = self._spool.written >= _SEGMENT_BYTES
        if self._is_left and is_large:
            self._keep(self._cut()[0], None, is_whole=True)
        self._limit = self._settings.queue_size - len(self._lines)

    def _replay(self, now: float, *, scan: bool) -> None:
        """Sends the events that ended processes left, and those of this process that are no longer in memory."""
        if now >= self._scan_at or scan:
            self._scan_at = now + _SCAN_SECONDS
            self._spooled = self._spool.has_segments()
        if self._spooled:
            for lines in self._spool.replay():
                for batch in _batches(lines):
                    self._send(batch)
            # Segments left over are locked by another process, which sends them.
            self._spooled = False

    def _priced(self, event: bytes | dict[str, Any]) -> bytes | None:
        """The event as a line, with the cost that a cache hit saved; None, counted, if it has none."""
        if isinstance(event, bytes):
            return event
        self._price(event)
        return self._line(event)

    def _pause(self, error: Unavailable) -> None:
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _MAX_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 16)
        self._away_until = time.monotonic() + max(pause * random.uniform(0.5, 1.0), error.retry_after)  # noqa: S311
        warn("away", f"Events are queued: {error}")

    def _price(self, event: dict[str, Any]) -> None:
        """Requests the cost that a cache hit saved, once per cached response."""
        saving = event.get("saving")
        if saving is None or saving.usd is not None or time.monotonic() < self._away_until or self._closing:
            return
        planned = {
            "provider": event["provider"],
            "model": saving.model or event["model"],
            "input_tokens": saving.input_tokens,
            "max_output_tokens": saving.output_tokens,
        }
        try:
            response = self._http.request("POST", "/api/budgets/check", timeout=self._send_seconds, json=planned)
            cost = json.loads(response.content, parse_float=str, parse_int=str).get("estimated_cost")
        except (httpx.HTTPError, ValueError, AttributeError):
            return
        if response.is_success and cost is not None:
            saving.usd = cost

    # Sending

    def _send(self, batch: list[bytes]) -> None:
        """Sends a batch. Raises Unavailable without dropping events."""
        try:
            response = self._http.request(
                "POST",
                "/api/events/batch",
                timeout=self._send_seconds,
                content=b'{"events":[' + b",".join(batch) + b"]}",
                headers={"Content-Type": "application/json"},
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"LLMLab cannot be reached: {type(error).__name__}") from None
        if response.status_code == 200:
            self._count_answer(batch, response)
        elif response.status_code in (400, 413, 422):
            if len(batch) == 1:
                self._reject(detail(response))
                return
            half = len(batch) // 2
            self._send(batch[:half])
            self._send(batch[half:])
        else:
            raise Unavailable(f"LLMLab answered: {detail(response)}", retry_after(response))

    def _count_answer(self, batch: list[bytes], response: httpx.Response) -> None:
        try:
            rejected = response.json()["rejected"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable("the server at this URL is not LLMLab") from None
        self._sent += len(batch) - len(rejected)
        retries = []
        for rejection in rejected:
            line = with_counts(batch[rejection["index"]])
            if line is None:
                self._reject(rejection["detail"])
            else:
                retries.append(line)
        if retries:
            self._send(retries)

    def _reject(self, reason: str) -> None:
        self._rejected += 1
        warn("rejected", f"LLMLab has refused {self._rejected} events so far. Latest reason: {reason}")


def _batches(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The events in portions that LLMLab takes."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) >= _BATCH_EVENTS or size + len(line) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield batch
