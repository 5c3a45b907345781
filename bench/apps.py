"""What runs in a process of its own beside the product: `python -m bench.apps bare|raw|watched PORT`.

bare     FastAPI with the product's body and neither authentication nor database: what the framework alone can do.
raw      A fixed answer to whatever arrives: what the load generator alone can do.
watched  The product itself, with a look at its event loop and its memory at /bench/loop.
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
# Where a standstill is looked for: below these everything is somebody's helper, above them everybody's frame.
_ROOMS = tuple(str(_HOUSE / room) for room in ("engines", "database.py", "routes"))
_TICK_SECONDS = 0.001
_SUSPICIOUS_SECONDS = 0.01
_RAW_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


def bare() -> FastAPI:
    """One endpoint that only reads its body."""
    app = FastAPI()

    @app.post("/api/events/track", status_code=201)
    async def track(event: Event) -> dict[str, Any]:
        return {"provider": event.provider, "model": event.model, "total_tokens": event.input_tokens}

    return app


class Raw(asyncio.Protocol):
    """Takes every piece of data for a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(_RAW_ANSWER)


class Watched:
    """An application whose event loop is asked every millisecond whether it still turns.

    GET /bench/loop answers with the longest standstill since it was last asked, the longest time the loop's thread was
    on the processor in one, and the functions of the house it was seen in when it stood still.
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
            threading.Thread(target=self._look, daemon=True).start()
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

    def _look(self) -> None:
        while True:
            time.sleep(_SUSPICIOUS_SECONDS / 2)
            if time.perf_counter() - self._ticked > _SUSPICIOUS_SECONDS:
                frame = sys._current_frames().get(self._loop_thread)
                while frame is not None and not frame.f_code.co_filename.startswith(_ROOMS):
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
    """Serves fixed answers until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", port)
    await server.serve_forever()


def watched() -> Watched:
    """The product, watched."""
    # Imported here: the module makes the application, which only this process needs.
    from main import worker

    return Watched(worker())


def main() -> None:
    """Runs the one that is named."""
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
