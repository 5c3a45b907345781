"""How long the server's event loop stands still while requests of every kind are under way."""

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
# As many values as fit into the bytes, and as many as a body may have.
_CRAMMED = (b"[]", b"1.5", b'{"a":1}', b"[" * 150 + b"]" * 150)
_ALLOWED = 65_000


async def standstill(bench: Bench) -> None:
    """The longest standstill while people sign up, batches of a thousand large events come in, and others read."""
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
                bench.say(turn, f"{longest[-1]:.1f} ms")
            for turn in bench.turns("bodies that are made to halt it"):
                for body in _hostile(account.token):
                    # Some are refused, and one of them before it has been read.
                    with suppress(LoadError):
                        await client.ask(body)
                _, found = await client.ask(request("GET", "/bench/loop"))
                hostile.append(found["computing"] * 1000)
                bench.say(turn, f"{hostile[-1]:.1f} ms")
    bench.report.rows += [
        absolute(
            "longest the event loop computed in one (sign-ups, batches of 1,000 large events, reads)",
            Figure.of(computing),
            "ms",
            Goal("at most", 20),
        ),
        absolute("longest it stood still, also for want of a processor", Figure.of(longest), "ms"),
        absolute("longest it computed on a body that is made to halt it", Figure.of(hostile), "ms"),
    ]
    where = ", ".join(f"{name} ({n})" for name, n in sorted(seen.items(), key=lambda item: -item[1])[:4])
    bench.report.notes.append(
        "In a standstill the event loop computes, or waits for a processor that is busy with something else; only what "
        f"it computes is the product's own. Seen standing still in: {where or 'nothing'}."
    )


def _hostile(token: str) -> Iterator[bytes]:
    """Requests that hold nothing but values: as many as there is room for, and as many as are allowed."""
    for piece in _CRAMMED:
        for path, size in (("/api/events/batch", _MIB), ("/api/ingest/litellm", 16 * _MIB)):
            body = b"[" + b",".join([piece] * ((size - 64) // (len(piece) + 1))) + b"]"
            yield request("POST", path, token=token, body=b'[{"a":%s}]' % body)
    names = b",".join(b'"%x":1.5' % number for number in range(_ALLOWED))
    for path in ("/api/events/track", "/api/events/batch", "/api/ingest/litellm"):
        yield request("POST", path, token=token, body=b'{"metadata":{%s}}' % names)
