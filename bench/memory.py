"""The memory of the server's worker during ingestion."""

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
    """Measures the worker's peak memory and its growth while it ingests many events."""
    bodies = data.batches(40, _BATCH)
    count = bench.sizes.memory_events // _BATCH
    with lab() as place, place.product() as product:
        account = await product.sign_up("memory")
        requests = [request("POST", "/api/events/batch", token=account.token, body=body) for body in bodies]
        load = asyncio.create_task(
            closed_loop(product.port, requests, connections=_CONNECTIONS, count=count, seconds=3600)
        )
        bench.step(f"ingesting {bench.sizes.memory_events:,} events")
        seen: list[float] = []
        while not load.done():
            seen.append(product.memory)
            await asyncio.wait([load], timeout=0.2)
        rate = (await load).per_second * _BATCH
        await check_stored(place, account, count * _BATCH)
    # In the first fifth, buffers and connections grow to their size.
    settled = max(seen[: max(1, len(seen) // 5)])
    name = f"Memory of the worker, ingestion of {bench.sizes.memory_events:,} events in batches"
    bench.report.rows += [
        absolute(f"{name}, peak", Figure.of([max(seen)]), "MB", Goal("at most", 200)),
        absolute(
            "Memory growth of the worker in the last four fifths of that ingestion",
            Figure.of([max(seen) - settled]),
            "MB",
            Goal("at most", 10),
        ),
    ]
    bench.report.notes.append(f"The ingestion in the memory rows ran at {rate:,.0f} events per second.")
