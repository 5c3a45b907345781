"""Servers for comparisons, each in a separate process: `python -m bench.apps bare|raw|watched PORT`.

bare     FastAPI with the product's request body, without authentication or database: the limit of the framework.
raw      A fixed answer to every request: the limit of the load generator.
watched  The product, with a monitor of its event loop at /bench/loop.
"""

import asyncio
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import orjson
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.events import Event

_HOUSE = Path(__file__).parent.parent
# Code to report as the place of a blocked event loop, as opposed to helpers below and frameworks above it.
_REPORTED = tuple(str(_HOUSE / room) for room in ("engines", "database.py", "queries", "roads", "routes"))
_TICK_SECONDS = 0.001
_BLOCKED_SECONDS = 0.01
_RAW_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


def bare() -> FastAPI:
    """One endpoint that only reads its body."""
    app = FastAPI()

    @app.post("/api/events/track", status_code=201)
    async def track(event: Event) -> dict[str, Any]:
        return {"provider": event.provider, "model": event.model, "total_tokens": event.input_tokens}

    return app


class Raw(asyncio.Protocol):
    """Answers every received piece of data as one request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(_RAW_ANSWER)


class Watched:
    """An application with a monitor that runs every millisecond in its event loop.

    GET /bench/loop returns the longest delay of the event loop since the last request, the longest CPU time in one
    step, and the functions of the product in which it was blocked.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop_thread = 0
        self._ticked = 0.0
        self._longest = 0.0
        self._computing = 0.0
        self._seen: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._loop_thread = threading.get_ident()
            self._tasks.add(asyncio.create_task(self._tick()))
            threading.Thread(target=self._sample, daemon=True).start()
        if scope["type"] == "http" and scope["path"] == "/bench/loop":
            await self._answer(send)
            return
        await self._app(scope, receive, send)

    async def _tick(self) -> None:
        while True:
            self._ticked, computing = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_TICK_SECONDS)
            self._longest = max(self._longest, time.perf_counter() - self._ticked - _TICK_SECONDS)
            self._computing = max(self._computing, time.thread_time() - computing)

    def _sample(self) -> None:
        while True:
            time.sleep(_BLOCKED_SECONDS / 2)
            if time.perf_counter() - self._ticked > _BLOCKED_SECONDS:
                frame = sys._current_frames().get(self._loop_thread)
                while frame is not None and not frame.f_code.co_filename.startswith(_REPORTED):
                    frame = frame.f_back
                self._seen[frame.f_code.co_qualname if frame else "elsewhere"] += 1

    async def _answer(self, send: Send) -> None:
        body = orjson.dumps(
            {"longest": self._longest, "computing": self._computing, "seen": dict(self._seen.most_common(4))}
        )
        self._longest = self._computing = 0.0
        self._seen.clear()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})


async def raw(port: int) -> None:
    """Serves fixed answers until the process is stopped."""
    server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", port)
    await server.serve_forever()


def watched() -> Watched:
    """The product with the monitor."""
    # Imported here, because only this process needs the application.
    from main import worker

    return Watched(worker())


def main() -> None:
    """Runs the named server."""
    name, port = sys.argv[1], int(sys.argv[2])
    if name == "raw":
        uvloop.run(raw(port))
        return
    app: ASGIApp = bare() if name == "bare" else watched()
    # As main.serve does.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
