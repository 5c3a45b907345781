"""The outbox: a bounded queue, a thread that sends batches, and a spool on disk while LLMLab is unreachable."""

import json
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import httpx

from llmlab._bounds import bounded
from llmlab._cache import Saving
from llmlab._http import Http, detail, retry_after
from llmlab._ids import event_id
from llmlab._logs import warn
from llmlab._settings import Settings
from llmlab._spool import Spool
from llmlab._usage import counts, excerpt, has_usage

_BATCH_EVENTS = 500
_BATCH_BYTES = 900_000
_SEND_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0
# After a timeout, `send_now` queues events for this long instead of waiting for an answer.
_QUIET_SECONDS = 5.0
# Interval of the search for spool segments of processes that have ended.
_SCAN_SECONDS = 60.0
_METADATA_BYTES = 16 * 1024
_NEVER = sys.maxsize


class Stats(NamedTuple):
    """Event counts of this process. `waiting` is the number in memory, `on_disk` the total written to disk so far."""

    sent: int
    waiting: int
    on_disk: int
    dropped: int
    rejected: int
    unreadable: int


class Unavailable(Exception):
    """LLMLab does not accept events at the moment. `retry_after` is in seconds; `busy` means a rate limit."""

    def __init__(self, reason: str, retry_after: float = 0.0, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.busy = busy


class Unreadable(ValueError):
    """A response contains no usage."""


class Outbox:
    """Accepts events without blocking and delivers each to LLMLab. The thread calls `idle` before each delivery."""

    def __init__(self, settings: Settings, http: Http, idle: Callable[[], None]) -> None:
        self._settings = settings
        self._http = http
        self._idle = idle
        self._target = f"{settings.base_url}\n{settings.api_key}"
        self.after_fork()

    def after_fork(self) -> None:
        """Starts empty. In a forked child, the events belong to the parent."""
        previous = getattr(self, "_spool", None)
        if previous is not None:
            previous.release()
        self._spool = Spool(self._settings.spool_dir, self._settings.spool_bytes, self._target)
        self._queue: deque[dict[str, Any]] = deque()
        # Serialized events ahead of the queue: those neither sent nor written to disk, and those being sent.
        self._lines: deque[bytes] = deque()
        self._sending: list[bytes] = []
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
        self._failures = 0
        self._away_until = self._quiet_until = 0.0
        self._scan_at = 0.0
        self._spooled = True
        self._sent = self._on_disk = self._dropped = self._rejected = self._unreadable = 0

    # For callers

    def put(self, event: dict[str, Any]) -> None:
        """Queues an event, or drops it if the queue is full."""
        queue = self._queue
        if len(queue) >= self._limit:
            self._dropped += 1
            warn("full", f"The queue is full: {self._dropped} calls were dropped so far")
            return
        queue.append(event)
        if len(queue) >= self._wake_at:
            self._wake_at = _NEVER
            self._wake.put(None)
        if self._thread is None:
            self.start()

    def start(self) -> None:
        """Starts the thread if it is not running."""
        if self._thread is not None:
            return
        # If the lock is taken, another thread is starting it.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, args=(self._queue,), name="llmlab", daemon=True)
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
                        util.Finalize(None, self.close, (self._settings.exit_timeout,), exitpriority=10)
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
            self._deliver(forced=True)
            return not (self._queue or self._lines or self._spooled)
        with self._flushes:
            self._flush_requests += 1
            request = self._flush_requests
            self._wake.put(None)
            done = self._flushes.wait_for(lambda: self._flushes_done >= request, timeout)
            return done and self._delivered

    def send_now(self, event: dict[str, Any], seconds: float) -> Decimal | None:
        """Sends an event at once and returns its cost. Queues it instead after a timeout or while unreachable."""
        if seconds > 0 and time.monotonic() >= max(self._away_until, self._quiet_until):
            try:
                response = self._http.request(
                    "POST",
                    "/api/events/track",
                    timeout=seconds,
                    content=_line(event),
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
        """Sends all events and stops the thread. Writes events left after `timeout` seconds to disk."""
        thread = self._thread
        if thread is None and self._queue:
            self._deliver(forced=True)
        elif thread is not None:
            self._closing = True
            self._wake.put(None)
            thread.join(timeout)
        # A separate spool, because the thread may still use the other one.
        spool = Spool(self._settings.spool_dir, self._settings.spool_bytes, self._target)
        self._write([*self._sending, *self._take_lines(), *self._take(_NEVER)], spool)
        spool.release()

    def stats(self) -> Stats:
        """Counts of the events since `configure`."""
        waiting = len(self._queue) + len(self._lines) + len(self._sending)
        return Stats(self._sent, waiting, self._on_disk, self._dropped, self._rejected, self._unreadable)

    # The thread

    def _run(self, queue: deque[dict[str, Any]]) -> None:
        while True:
            self._wait()
            requests, closing = self._flush_requests, self._closing
            try:
                if not closing:
                    self._idle()
                self._deliver(forced=requests != self._flushes_done)
            except Exception:
                warn("outbox", "Could not send events", traceback=True)
                self._away_until = time.monotonic() + _MAX_PAUSE_SECONDS
            with self._flushes:
                self._delivered = not (queue or self._lines or self._spooled)
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
        due = now + min(self._settings.policy_seconds, _SCAN_SECONDS)
        if self._away_until > now and (self._lines or self._spooled):
            due = min(due, self._away_until)
        return max(due - now, 0.01)

    def _deliver(self, *, forced: bool) -> None:
        """Sends events from disk, then from memory. Writes them to disk while LLMLab is unreachable."""
        now = time.monotonic()
        busy = False
        if now >= self._away_until or forced:
            try:
                if now >= self._scan_at or forced:
                    self._scan_at = now + _SCAN_SECONDS
                    self._spooled = self._spool.has_segments()
                if self._spooled:
                    for lines in self._spool.replay():
                        self._send_all(lines)
                    # Segments left over are locked by another process, which sends them.
                    self._spooled = False
                while self._queue or self._lines:
                    self._sending = self._next_batch()
                    self._send(self._sending)
                    self._sending = []
                self._failures = 0
                self._away_until = 0.0
            except Unavailable as error:
                self._lines.extendleft(reversed(self._sending))
                self._sending = []
                busy = error.busy
                self._pause(error)
        if self._queue or self._lines:
            # A rate limit ends soon, so events stay in memory.
            if not busy or self._closing or len(self._queue) > self._limit // 2:
                lines = [*self._take_lines(), *self._take(_NEVER)]
                self._lines.extend(lines[self._write(lines, self._spool) :])
            self._limit = self._settings.queue_size - len(self._lines)

    def _pause(self, error: Unavailable) -> None:
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _MAX_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 16)
        self._away_until = time.monotonic() + max(pause * random.uniform(0.5, 1.0), error.retry_after)  # noqa: S311
        warn("away", f"Events are queued: {error}")

    def _write(self, lines: list[bytes], spool: Spool) -> int:
        """Writes events to disk; returns the number written before the spool was full."""
        if not lines:
            return 0
        written = spool.append(lines)
        self._on_disk += written
        self._spooled = self._spooled or written > 0
        return written

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while len(batch) < _BATCH_EVENTS and size < _BATCH_BYTES and (self._lines or self._queue):
            found = [self._lines.popleft()] if self._lines else self._take(1)
            if found and batch and size + len(found[0]) > _BATCH_BYTES:
                self._lines.extendleft(found)
                break
            batch += found
            size += sum(len(line) + 1 for line in found)
        return batch

    def _take_lines(self) -> list[bytes]:
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines

    def _take(self, limit: int) -> list[bytes]:
        """Takes up to `limit` events from the queue as JSON."""
        lines: list[bytes] = []
        while self._queue and len(lines) < limit:
            event = self._queue.popleft()
            try:
                self._price(event)
                lines.append(_line(event))
            except Unreadable:
                self.unreadable()
            except Exception:
                self._rejected += 1
                warn("line", "Could not convert a call to JSON", traceback=True)
        return lines

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
            response = self._http.request("POST", "/api/budgets/check", timeout=_SEND_SECONDS, json=planned)
            cost = json.loads(response.content, parse_float=str, parse_int=str).get("estimated_cost")
        except (httpx.HTTPError, ValueError, AttributeError):
            return
        if response.is_success and cost is not None:
            saving.usd = cost

    # Sending

    def _send_all(self, lines: list[bytes]) -> None:
        batch: list[bytes] = []
        size = 0
        for line in lines:
            if batch and (len(batch) >= _BATCH_EVENTS or size + len(line) > _BATCH_BYTES):
                self._send(batch)
                batch, size = [], 0
            batch.append(line)
            size += len(line) + 1
        if batch:
            self._send(batch)

    def _send(self, batch: list[bytes]) -> None:
        """Sends a batch. Raises Unavailable without dropping events."""
        if not batch:
            return
        try:
            response = self._http.request(
                "POST",
                "/api/events/batch",
                timeout=_SEND_SECONDS,
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
            busy = response.status_code == 429
            raise Unavailable(f"LLMLab answered: {detail(response)}", retry_after(response), busy=busy)

    def _count_answer(self, batch: list[bytes], response: httpx.Response) -> None:
        try:
            rejected = response.json()["rejected"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable("the server at this URL is not LLMLab") from None
        self._sent += len(batch) - len(rejected)
        retries = []
        for rejection in rejected:
            line = _with_counts(batch[rejection["index"]])
            if line is None:
                self._reject(rejection["detail"])
            else:
                retries.append(line)
        if retries:
            self._send(retries)

    def _reject(self, reason: str) -> None:
        self._rejected += 1
        warn("rejected", f"LLMLab has refused {self._rejected} events so far. Latest reason: {reason}")


def _line(event: Mapping[str, Any]) -> bytes:
    """The event as one line of JSON, within LLMLab's limits. Raises Unreadable for a response without usage."""
    body = bounded({key: value for key, value in event.items() if value is not None})
    timestamp, number = body["timestamp"], body.pop("number", 0)
    if isinstance(timestamp, float):
        if "response_id" not in body:
            body.setdefault("id", event_id(timestamp, number))
        timestamp = datetime.fromtimestamp(timestamp, timezone.utc)
    if isinstance(timestamp, datetime):
        body["timestamp"] = timestamp.isoformat()
    if "latency_ms" in body:
        body["latency_ms"] = round(min(max(body["latency_ms"], 0.0), 86_400_000.0), 3)
    if "response" in body:
        body["response"] = excerpt(body["response"])
        if not has_usage(body["response"]):
            raise Unreadable
    metadata = _metadata(body.pop("metadata", None), body.pop("saving", None))
    if metadata:
        body["metadata"] = metadata
    cost = body.pop("cost", None)
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if cost is not None:
        # Written by hand, because the json module cannot write a Decimal with all its digits.
        text = f'{{"cost":{Decimal(str(cost)):f},{text[1:]}'
    return text.encode("utf-8", "replace")


def _metadata(given: Mapping[str, Any] | None, saving: Saving | None) -> dict[str, Any]:
    metadata = dict(given or {})
    if saving is not None:
        metadata["cache"] = {
            "hit": True,
            "first_event": saving.event_id,
            "saved_input_tokens": saving.input_tokens,
            "saved_output_tokens": saving.output_tokens,
            "saved_usd": saving.usd,
        }
    try:
        text = json.dumps(metadata, allow_nan=False)
        if len(text) > _METADATA_BYTES:
            reason = "it is larger than 16 KiB"
        elif "\\u0000" in text:
            reason = "it contains NUL characters"
        else:
            return metadata
    except (TypeError, ValueError) as error:
        reason = f"it has no JSON form: {error}"
    warn("metadata", f"The metadata of a call is left out: {reason}")
    return {}


def _with_counts(line: bytes) -> bytes | None:
    """The event with counts instead of a response that LLMLab cannot read, such as one from an unknown provider."""
    # `_line` writes the cost first; it is kept as text, because a float would lose digits.
    cost, comma, rest = line.partition(b",") if line.startswith(b'{"cost":') else (b"{", b"", line[1:])
    event = json.loads(b"{" + rest)
    response = event.pop("response", {})
    found = counts(response)
    model = event.pop("model", None) or response.get("model") or response.get("modelVersion")
    if not found or model is None:
        return None
    return cost + comma + _line({**event, **found, "model": model})[1:]
