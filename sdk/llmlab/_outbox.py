"""Events on their way: a bounded queue, a thread that sends it in batches, and the disk while LLMLab is away."""

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
from llmlab._logs import complain
from llmlab._settings import Settings
from llmlab._spool import Spool
from llmlab._usage import counts, excerpt, has_usage

_BATCH_EVENTS = 500
_BATCH_BYTES = 900_000
_SEND_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# So long nobody waits for an answer after one that did not come.
_QUIET_SECONDS = 5.0
# Segments of processes that have ended are looked for this often.
_LOOK_SECONDS = 60.0
_METADATA_BYTES = 16 * 1024
_NEVER = sys.maxsize


class Stats(NamedTuple):
    """What became of the events of this process. `waiting` are those in memory; `on_disk` was written in all."""

    sent: int
    waiting: int
    on_disk: int
    dropped: int
    rejected: int
    unreadable: int


class Away(Exception):
    """LLMLab cannot take events now; `seconds` is how long it asks to be left alone."""

    def __init__(self, why: str, seconds: float = 0.0, *, busy: bool = False) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.busy = busy


class Unreadable(ValueError):
    """There is no usage in a response."""


class Outbox:
    """Takes events without waiting, and sees to it that LLMLab gets each. `idle` is called now and then."""

    def __init__(self, settings: Settings, http: Http, idle: Callable[[], None]) -> None:
        self._settings = settings
        self._http = http
        self._idle = idle
        self._target = f"{settings.base_url}\n{settings.api_key}"
        self.after_fork()

    def after_fork(self) -> None:
        """Starts with nothing, as the child of a process does: the events are its parent's."""
        previous = getattr(self, "_spool", None)
        if previous is not None:
            previous.release()
        self._spool = Spool(self._settings.spool_dir, self._settings.spool_bytes, self._target)
        self._queue: deque[dict[str, Any]] = deque()
        # Serialised, ahead of the queue: what could neither be sent nor be kept on disk, and what is being sent.
        self._lines: deque[bytes] = deque()
        self._sending: list[bytes] = []
        self._limit = self._settings.queue_size
        # Unlike an Event's, its put may be called by the garbage collector in the midst of another call of it.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._wake_at = _NEVER
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self._delivered = True
        self._failures = 0
        self._away_until = self._quiet_until = 0.0
        self._look_at = 0.0
        self._spooled = True
        self._sent = self._on_disk = self._dropped = self._rejected = self._unreadable = 0

    # For callers

    def put(self, event: dict[str, Any]) -> None:
        """Takes an event; drops it if the queue is full."""
        queue = self._queue
        if len(queue) >= self._limit:
            self._dropped += 1
            complain("full", f"The queue is full: {self._dropped} calls have not been recorded so far")
            return
        queue.append(event)
        if len(queue) >= self._wake_at:
            self._wake_at = _NEVER
            self._wake.put(None)
        if self._thread is None:
            self.start()

    def start(self) -> None:
        """Starts the thread, if it does not run yet."""
        if self._thread is not None:
            return
        # Who does not get the lock need not start it.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, args=(self._queue,), name="llmlab", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter is about to end; closing sends what is there.
                    return
                self._thread = thread
                if "multiprocessing.util" in sys.modules:
                    # A child of multiprocessing ends without atexit.
                    from multiprocessing import parent_process, util

                    if parent_process() is not None:
                        util.Finalize(None, self.close, (self._settings.exit_timeout,), exitpriority=10)
        finally:
            self._starting.release()

    def unreadable(self) -> None:
        """Counts a call whose usage nobody could read."""
        self._unreadable += 1
        complain(
            "unreadable",
            f"{self._unreadable} calls have not been recorded so far, because no usage could be read from their "
            "answers; give it with call.usage(...)",
        )

    def flush(self, timeout: float) -> bool:
        """Sends what there is; returns whether LLMLab has all of it. Tries once if LLMLab is away."""
        self.start()
        if self._thread is None:
            self._deliver(forced=True)
            return not (self._queue or self._lines or self._spooled)
        with self._turn:
            self._asked += 1
            mine = self._asked
            self._wake.put(None)
            done = self._turn.wait_for(lambda: self._answered >= mine, timeout)
            return done and self._delivered

    def tell(self, event: dict[str, Any], seconds: float) -> Decimal | None:
        """Records an event now and returns its cost; after that time, or while LLMLab is away, it is queued instead."""
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
                # Or the event cannot be written, as the queue will find too.
                self._quiet_until = time.monotonic() + _QUIET_SECONDS
        self.put(event)
        return None

    def close(self, timeout: float) -> None:
        """Sends what there is and ends the thread; what is left when the time is over is kept on disk."""
        thread = self._thread
        if thread is None and self._queue:
            self._deliver(forced=True)
        elif thread is not None:
            self._closing = True
            self._wake.put(None)
            thread.join(timeout)
        # A spool of its own: the thread may still be at the other one.
        left = Spool(self._settings.spool_dir, self._settings.spool_bytes, self._target)
        self._keep([*self._sending, *self._take_lines(), *self._take(_NEVER)], left)
        left.release()

    def stats(self) -> Stats:
        """What became of the events."""
        waiting = len(self._queue) + len(self._lines) + len(self._sending)
        return Stats(self._sent, waiting, self._on_disk, self._dropped, self._rejected, self._unreadable)

    # The thread

    def _run(self, queue: deque[dict[str, Any]]) -> None:
        while True:
            self._wait()
            asked, closing = self._asked, self._closing
            try:
                if not closing:
                    self._idle()
                self._deliver(forced=asked != self._answered)
            except Exception:
                complain("outbox", "Events could not be sent", fault=True)
                self._away_until = time.monotonic() + _LONGEST_PAUSE_SECONDS
            with self._turn:
                self._delivered = not (queue or self._lines or self._spooled)
                self._answered = asked
                self._turn.notify_all()
            if closing:
                # An event that comes all the same starts another thread.
                self._closing, self._thread = False, None
                return

    def _wait(self) -> None:
        """Returns when there are events, and some time to gather more has passed; or when something else is due."""
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
        """Until woken, for at most so long; forgets how often it was."""
        try:
            if seconds > 0:
                self._wake.get(timeout=seconds)
            while True:
                self._wake.get_nowait()
        except Empty:
            return

    def _is_urgent(self) -> bool:
        return self._closing or self._asked != self._answered

    def _until_due(self) -> float:
        now = time.monotonic()
        due = now + min(self._settings.policy_seconds, _LOOK_SECONDS)
        if self._away_until > now and (self._lines or self._spooled):
            due = min(due, self._away_until)
        return max(due - now, 0.01)

    def _deliver(self, *, forced: bool) -> None:
        """Sends what is on disk, then what is in memory; puts it on disk while LLMLab is away."""
        now = time.monotonic()
        busy = False
        if now >= self._away_until or forced:
            try:
                if now >= self._look_at or forced:
                    self._look_at = now + _LOOK_SECONDS
                    self._spooled = self._spool.anything()
                if self._spooled:
                    for lines in self._spool.replay():
                        self._send_all(lines)
                    # What is still there is another process's, which sends it.
                    self._spooled = False
                while self._queue or self._lines:
                    self._sending = self._next_batch()
                    self._send(self._sending)
                    self._sending = []
                self._failures = 0
                self._away_until = 0.0
            except Away as away:
                self._lines.extendleft(reversed(self._sending))
                self._sending = []
                busy = away.busy
                self._pause(away)
        if self._queue or self._lines:
            # A server that is merely busy takes them soon.
            if not busy or self._closing or len(self._queue) > self._limit // 2:
                lines = [*self._take_lines(), *self._take(_NEVER)]
                self._lines.extend(lines[self._keep(lines, self._spool) :])
            self._limit = self._settings.queue_size - len(self._lines)

    def _pause(self, away: Away) -> None:
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 16)
        self._away_until = time.monotonic() + max(pause * random.uniform(0.5, 1.0), away.seconds)  # noqa: S311
        complain("away", f"Events wait, because {away}")

    def _keep(self, lines: list[bytes], spool: Spool) -> int:
        """Puts events on disk; returns how many there was room for."""
        if not lines:
            return 0
        kept = spool.append(lines)
        self._on_disk += kept
        self._spooled = self._spooled or kept > 0
        return kept

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

    def _take(self, most: int) -> list[bytes]:
        """The next events of the queue as JSON."""
        lines: list[bytes] = []
        while self._queue and len(lines) < most:
            event = self._queue.popleft()
            try:
                self._price(event)
                lines.append(_line(event))
            except Unreadable:
                self.unreadable()
            except Exception:
                self._rejected += 1
                complain("line", "A call could not be written as JSON", fault=True)
        return lines

    def _price(self, event: dict[str, Any]) -> None:
        """Asks once what a call that the cache has answered would have cost."""
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
        """Sends a batch. Raises Away, having dropped nothing."""
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
            raise Away(f"LLMLab cannot be reached: {type(error).__name__}") from None
        if response.status_code == 200:
            self._sent_well(batch, response)
        elif response.status_code in (400, 413, 422):
            if len(batch) == 1:
                self._reject(detail(response))
                return
            half = len(batch) // 2
            self._send(batch[:half])
            self._send(batch[half:])
        else:
            raise Away(f"LLMLab says: {detail(response)}", retry_after(response), busy=response.status_code == 429)

    def _sent_well(self, batch: list[bytes], response: httpx.Response) -> None:
        try:
            rejected = response.json()["rejected"]
        except (ValueError, KeyError, TypeError):
            raise Away("what answers is not LLMLab") from None
        self._sent += len(batch) - len(rejected)
        again = []
        for rejection in rejected:
            line = _with_counts(batch[rejection["index"]])
            if line is None:
                self._reject(rejection["detail"])
            else:
                again.append(line)
        if again:
            self._send(again)

    def _reject(self, why: str) -> None:
        self._rejected += 1
        complain("rejected", f"LLMLab has refused {self._rejected} events so far, the last one because: {why}")


def _line(event: Mapping[str, Any]) -> bytes:
    """The event as JSON, within the bounds that LLMLab has."""
    told = bounded({key: value for key, value in event.items() if value is not None})
    timestamp, number = told["timestamp"], told.pop("number", 0)
    if isinstance(timestamp, float):
        told.setdefault("id", event_id(timestamp, number))
        timestamp = datetime.fromtimestamp(timestamp, timezone.utc)
    if isinstance(timestamp, datetime):
        told["timestamp"] = timestamp.isoformat()
    if "latency_ms" in told:
        told["latency_ms"] = round(min(max(told["latency_ms"], 0.0), 86_400_000.0), 3)
    if "response" in told:
        told["response"] = excerpt(told["response"])
        if not has_usage(told["response"]):
            raise Unreadable
    metadata = _metadata(told.pop("metadata", None), told.pop("saving", None))
    if metadata:
        told["metadata"] = metadata
    cost = told.pop("cost", None)
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if cost is not None:
        # As a number with all its digits, for which the json module has no form.
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
            why = "is larger than 16 KiB"
        elif "\\u0000" in text:
            why = "holds NUL characters"
        else:
            return metadata
    except (TypeError, ValueError) as error:
        why = f"has no JSON form: {error}"
    complain("metadata", f"The metadata of a call is left out: it {why}")
    return {}


def _with_counts(line: bytes) -> bytes | None:
    """The event with counts in place of a response that LLMLab cannot read, as of a vendor it does not know."""
    # The cost, if there is one, stands in front, with digits that a float would lose.
    cost, comma, rest = line.partition(b",") if line.startswith(b'{"cost":') else (b"{", b"", line[1:])
    event = json.loads(b"{" + rest)
    response = event.pop("response", {})
    found = counts(response)
    model = event.pop("model", None) or response.get("model") or response.get("modelVersion")
    if not found or model is None:
        return None
    return cost + comma + _line({**event, **found, "model": model})[1:]
