"""A load generator for HTTP/1.1 over keep-alive connections.

To keep its own CPU time low, it reads only the status line and the content length of an answer.
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
_TIMEOUT_SECONDS = 60.0
_SETTLING_SECONDS = 0.2
# uvloop's timers have a resolution of one millisecond; shorter sleeps return at once.
_TICK_SECONDS = 0.001


class LoadError(Exception):
    """The server answered with an error or closed a connection."""


@dataclass(frozen=True)
class Outcome:
    """The latencies in seconds, the total duration, and the delay (p99) of the generator's own timer."""

    latencies: list[float]
    elapsed: float
    lateness: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return len(self.latencies) / self.elapsed

    def percentile(self, percent: float) -> float:
        """A percentile of the latency, in seconds."""
        return percentile(self.latencies, percent)


def percentile(values: Sequence[float], percent: float) -> float:
    """A percentile by the nearest-rank method."""
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
    """A connection with at most one open request. Calls `answered(self, status, answer)` for each answer.

    Calls `lost()` if the server closes the connection during a request. It may close an idle connection.
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
        """Sends a request. Its latency counts from `at`, or from now."""
        assert self._transport is not None
        self._busy = True
        self.sent_at = time.perf_counter() if at is None else at
        self._transport.write(data)

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()

    @property
    def alive(self) -> bool:
        """Whether the connection is open."""
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
    """Sends requests one after the other over one connection."""

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
        """Sends a request; returns its latency in seconds and the JSON of the answer. Raises LoadError."""
        if self._connection is None or not self._connection.alive:
            self._connection = await _connect(self._port, self._answered, self._lost)
        self._answer = asyncio.get_running_loop().create_future()
        self._connection.send(data)
        async with asyncio.timeout(_TIMEOUT_SECONDS):
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
    """Each connection sends its next request after the previous answer, for `seconds` or up to `count` requests."""
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
    """Sends requests at a fixed rate, independent of the answers.

    If all connections are busy, a request waits, and its latency counts from its arrival. Requests due in the same
    millisecond are sent together, because a finer timer would take CPU time from the server.
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
    """Disables Python's garbage collector during a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Run:
    """The connections of one run and the future that ends it."""

    def __init__(self, connections: int, port: int) -> None:
        self._count = connections
        self._port = port
        self._connections: list[Connection] = []
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, answered: Answered) -> list[Connection]:
        for _ in range(self._count):
            self._connections.append(await _connect(self._port, answered, self._lost))
        # Let the server accept the last connections before the measurement starts.
        await asyncio.sleep(_SETTLING_SECONDS)
        return list(self._connections)

    async def wait(self, seconds: float) -> None:
        async with asyncio.timeout(seconds + _TIMEOUT_SECONDS):
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
