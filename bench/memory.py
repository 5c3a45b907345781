"""What the server's worker keeps in memory while many events pass through it."""

import asyncio

from bench import data
from bench.load import closed_loop, request
from bench.plan import Bench
from bench.report import Figure, Goal, absolute
from bench.server import lab
from bench.witness import check_stored

_CONNECTIONS = 4
_BATCH = 500


async def growth(bench: Bench) -> None:
    """The worker's memory while many events pass through it."""
    bodies = data.batches(40, _BATCH)
    count = bench.sizes.memory_events // _BATCH
    with lab() as place, place.product() as product:
        account = await product.sign_up("memory")
        requests = [request("POST", "/api/events/batch", token=account.token, body=body) for body in bodies]
        load = asyncio.create_task(
            closed_loop(product.port, requests, connections=_CONNECTIONS, count=count, seconds=3600)
        )
        bench.step(f"memory while {bench.sizes.memory_events:,} events pass through")
        seen: list[float] = []
        while not load.done():
            seen.append(product.memory)
            await asyncio.wait([load], timeout=0.2)
        rate = (await load).per_second * _BATCH
        await check_stored(place, account, count * _BATCH)
    # The first fifth is for buffers and connections to reach their size.
    settled = max(seen[: max(1, len(seen) // 5)])
    name = f"worker's memory while {bench.sizes.memory_events:,} events pass in batches"
    bench.report.rows += [
        absolute(f"{name}: peak", Figure.of([max(seen)]), "MB", Goal("at most", 200)),
        absolute("its growth over the last four fifths", Figure.of([max(seen) - settled]), "MB", Goal("at most", 10)),
    ]
    bench.report.notes.append(f"The events of the memory row passed at {rate:,.0f} a second.")
