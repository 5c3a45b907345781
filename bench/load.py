"""HTTP/1.1 requests over keep-alive connections, sent and timed with as little work of our own as possible.

Of an answer only the status line and the content-length are read, so that the generator is not what is measured.
"""

import asyncio
import gc
import itertools
import json
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE_SECONDS = 60.0
_SETTLING_SECONDS = 0.2
# uvloop's timers count whole milliseconds: less is no wait at all.
_TICK_SECONDS = 0.001


class LoadError(Exception):
    """The server did not answer as it should."""


@dataclass(frozen=True)
class Outcome:
    """The seconds each request took, how long the whole took, and how late (p99) the generator itself was."""

    latencies: list[float]
    elapsed: float
    lateness: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return len(self.latencies) / self.elapsed

    def percentile(self, percent: float) -> float:
        """The latency that so many percent of the requests did not exceed, in seconds."""
        return percentile(self.latencies, percent)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def request(method: str, path: str, *, token: str | None = None, body: bytes | None = None) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


class Connection(asyncio.Protocol):
    """One connection with at most one request under way; `answered(self, status, answer)` is called for each.

    `lost()` is called when the server hangs up on a request. It may do so on a connection that has nothing to do.
    """

    def __init__(self, answered: "Answered", lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._received = b""
        self._end = 0
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self.sent_at = 0.0

    def send(self, data: bytes, at: float | None = None) -> None:
        """Sends a request; its time counts from `at`, or from now."""
        assert self._transport is not None
        self._busy = True
        self.sent_at = time.perf_counter() if at is None else at
        self._transport.write(data)

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()

    @property
    def alive(self) -> bool:
        """Whether it can be sent something."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._lost()

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        if not self._end:
            head = data.find(b"\r\n\r\n")
            if head >= 0:
                length = _LENGTH.search(data, 0, head)
                self._end = head + 4 + (int(length[1]) if length else 0)
        if not self._end or len(data) < self._end:
            self._received = data
            return
        self._received, self._end, self._busy = b"", 0, False
        self._answered(self, int(data[9:12]), data)


Answered = Callable[[Connection, int, bytes], None]


class Client:
    """One connection for one request after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: Connection | None = None
        self._answer: asyncio.Future[tuple[float, int, bytes]] | None = None

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    async def ask(self, data: bytes) -> tuple[float, Any]:
        """Sends a request; returns the seconds it took and the answer's JSON. Raises LoadError for an error."""
        if self._connection is None or not self._connection.alive:
            self._connection = await _connect(self._port, self._answered, self._lost)
        self._answer = asyncio.get_running_loop().create_future()
        self._connection.send(data)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            seconds, status, answer = await self._answer
        if status >= 300:
            raise _refused(status, answer)
        return seconds, json.loads(_body(answer) or b"null")

    def _answered(self, connection: Connection, status: int, answer: bytes) -> None:
        seconds = time.perf_counter() - connection.sent_at
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((seconds, status, answer))

    def _lost(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LoadError("The server closed the connection"))


async def closed_loop(
    port: int, requests: Sequence[bytes], *, connections: int, seconds: float = 3600, count: int | None = None
) -> Outcome:
    """Every connection sends its next request when its last one is answered, for so long or until so many are sent."""
    supply = itertools.islice(itertools.cycle(requests), count)
    latencies: list[float] = []
    idle = 0
    run = _Run(connections, port)

    def proceed(connection: Connection) -> None:
        nonlocal idle
        data = next(supply, None) if time.perf_counter() < deadline else None
        if data is not None:
            connection.send(data)
            return
        idle += 1
        if idle == connections:
            run.finish()

    def answered(connection: Connection, status: int, answer: bytes) -> None:
        if status >= 300:
            run.fail(_refused(status, answer))
            return
        latencies.append(time.perf_counter() - connection.sent_at)
        proceed(connection)

    opened = await run.open(answered)
    with undisturbed():
        started = time.perf_counter()
        deadline = started + seconds
        for connection in opened:
            proceed(connection)
        await run.wait(seconds)
        elapsed = time.perf_counter() - started
    run.close()
    return Outcome(latencies, elapsed)


async def open_loop(port: int, requests: Sequence[bytes], *, connections: int, rate: float, seconds: float) -> Outcome:
    """Requests arrive at a fixed rate whether or not earlier ones are answered.

    A request that finds every connection busy waits, and its time counts from its arrival. Arrivals come in groups of
    those due in the same millisecond: waiting for less would keep a processor busy that the server needs.
    """
    supply = itertools.cycle(requests)
    total = int(rate * seconds)
    latencies: list[float] = []
    lateness: list[float] = []
    waiting: deque[float] = deque()
    run = _Run(connections, port)

    def answered(connection: Connection, status: int, answer: bytes) -> None:
        if status >= 300:
            run.fail(_refused(status, answer))
            return
        latencies.append(time.perf_counter() - connection.sent_at)
        if waiting:
            connection.send(next(supply), waiting.popleft())
        else:
            free.append(connection)
        if len(latencies) == total:
            run.finish()

    free = await run.open(answered)
    with undisturbed():
        started = time.perf_counter()
        for number in range(total):
            due = started + number / rate
            while (at := time.perf_counter()) < due:  # noqa: ASYNC110
                await asyncio.sleep(max(due - at, _TICK_SECONDS))
            lateness.append(at - due)
            while free and not free[-1].alive:
                free.pop()
            if free:
                free.pop().send(next(supply), at)
            else:
                waiting.append(at)
        await run.wait(0)
        elapsed = time.perf_counter() - started
    run.close()
    return Outcome(latencies, elapsed, percentile(lateness, 99))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps Python's garbage collector from pausing what is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Run:
    """The connections of one run, and its end."""

    def __init__(self, connections: int, port: int) -> None:
        self._count = connections
        self._port = port
        self._connections: list[Connection] = []
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, answered: Answered) -> list[Connection]:
        for _ in range(self._count):
            self._connections.append(await _connect(self._port, answered, self._lost))
        # The server still takes in the last of them, which is not what is measured.
        await asyncio.sleep(_SETTLING_SECONDS)
        return list(self._connections)

    async def wait(self, seconds: float) -> None:
        async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
            await self._end

    def finish(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def fail(self, error: LoadError) -> None:
        if not self._end.done():
            self._end.set_exception(error)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _lost(self) -> None:
        self.fail(LoadError("The server closed a connection"))


async def _connect(port: int, answered: Answered, lost: Callable[[], None]) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(answered, lost), "127.0.0.1", port
    )
    return connection


def _body(answer: bytes) -> bytes:
    return answer[answer.find(b"\r\n\r\n") + 4 :]


def _refused(status: int, answer: bytes) -> LoadError:
    return LoadError(f"The server answered {status}: {_body(answer)[:500].decode()}")
