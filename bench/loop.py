"""How long the server's event loop is blocked under mixed load."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

from bench import data
from bench.load import Client, LoadError, closed_loop, request
from bench.plan import Bench
from bench.report import Figure, Goal, absolute
from bench.server import lab, sign_up_request

_READS = (
    "/api/costs/summary?days=90",
    "/api/events/?limit=100",
    "/api/costs/timeseries?bucket=day&by=model",
    "/api/budgets",
)
_MIB = 1024 * 1024
# JSON values that fill a body with as many values as possible.
_DENSE_VALUES = (b"[]", b"1.5", b'{"a":1}', b"[" * 150 + b"]" * 150)
_ALLOWED = 65_000


async def blocking(bench: Bench) -> None:
    """The longest blocking during sign-ups, batches of a thousand large events, and reads."""
    bodies = data.batches(6, 1_000, make=data.large_event)
    longest: list[float] = []
    computing: list[float] = []
    hostile: list[float] = []
    seen: dict[str, int] = {}
    newcomers = count()
    with lab() as place, place.app("watched", health="/api/health") as server:
        account = await server.sign_up("loop")
        batches = [request("POST", "/api/events/batch", token=account.token, body=body) for body in bodies]
        reads = [request("GET", path, token=account.token) for path in _READS]

        async def sign_ups(seconds: float) -> None:
            async with asyncio.timeout(seconds + 30), Client(server.port) as client:
                loop = asyncio.get_running_loop()
                end = loop.time() + seconds
                while loop.time() < end:
                    await client.ask(sign_up_request(f"new{next(newcomers)}"))

        async def everything(seconds: float) -> None:
            await asyncio.gather(
                sign_ups(seconds),
                closed_loop(server.port, batches, connections=2, seconds=seconds),
                closed_loop(server.port, reads, connections=2, seconds=seconds),
            )

        bench.step("warming up")
        await everything(1)
        async with Client(server.port) as client:
            await client.ask(request("GET", "/bench/loop"))
            for turn in bench.turns("sign-ups, large batches and reads at once"):
                await everything(bench.sizes.blocking_seconds)
                _, found = await client.ask(request("GET", "/bench/loop"))
                longest.append(found["longest"] * 1000)
                computing.append(found["computing"] * 1000)
                for place_in_code, times in found["seen"].items():
                    seen[place_in_code] = seen.get(place_in_code, 0) + times
                bench.show(turn, f"{longest[-1]:.1f} ms")
            for turn in bench.turns("hostile bodies"):
                for body in _hostile(account.token):
                    # Some are refused, one of them before it is read completely.
                    with suppress(LoadError):
                        await client.ask(body)
                _, found = await client.ask(request("GET", "/bench/loop"))
                hostile.append(found["computing"] * 1000)
                bench.show(turn, f"{hostile[-1]:.1f} ms")
    bench.report.rows += [
        absolute(
            "Event loop, longest CPU time in one step (sign-ups, batches of 1,000 large events, reads)",
            Figure.of(computing),
            "ms",
            Goal("at most", 20),
        ),
        absolute("Event loop, longest delay, including waits for a processor", Figure.of(longest), "ms"),
        absolute("Event loop, longest CPU time in one step with hostile bodies", Figure.of(hostile), "ms"),
    ]
    where = ", ".join(f"{name} ({n})" for name, n in sorted(seen.items(), key=lambda item: -item[1])[:4])
    bench.report.notes.append(
        "A delayed event loop either computes or waits for a busy processor; only its CPU time depends on the product. "
        f"Blocked in: {where or 'nothing'}."
    )


def _hostile(token: str) -> Iterator[bytes]:
    """Requests full of values: the maximum size of a body, and the maximum number of values."""
    for piece in _DENSE_VALUES:
        for path, size in (("/api/events/batch", _MIB), ("/api/ingest/litellm", 16 * _MIB)):
            body = b"[" + b",".join([piece] * ((size - 64) // (len(piece) + 1))) + b"]"
            yield request("POST", path, token=token, body=b'[{"a":%s}]' % body)
    names = b",".join(b'"%x":1.5' % number for number in range(_ALLOWED))
    for path in ("/api/events/track", "/api/events/batch", "/api/ingest/litellm"):
        yield request("POST", path, token=token, body=b'{"metadata":{%s}}' % names)
