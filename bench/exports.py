"""How fast events leave as a file, what that takes of memory, and whether others have to wait meanwhile."""

import asyncio
import time

from bench import data
from bench.load import Client, percentile, request
from bench.plan import Bench
from bench.report import Figure, Goal, absolute
from bench.server import Account, BenchError, Server, lab

_FORMATS = ("csv", "jsonl", "parquet")
# A million in a minute.
_EVENTS_PER_SECOND = 1_000_000 / 60
_READ_EVERY_SECONDS = 0.05
_PIECE = 1024 * 1024


async def download(server: Server, account: Account, path: str) -> int:
    """Reads a file to its end and forgets it; returns its bytes, those of HTTP included."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=_PIECE)
    asked = request("GET", path, token=account.token)
    writer.write(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    first = tail = b""
    size = 0
    while piece := await reader.read(_PIECE):
        first = first or piece
        size += len(piece)
        tail = (tail + piece)[-7:]
    writer.close()
    if not first.startswith(b"HTTP/1.1 200") or tail != b"\r\n0\r\n\r\n":
        raise BenchError(f"{path} did not come whole: {first[:200]!r} ... {tail!r}")
    return size


async def exports(bench: Bench) -> None:
    """All events of a workspace in each format, while others ask for totals."""
    count = bench.sizes.export_events
    with lab() as place, place.product() as product:
        account = await product.sign_up("exports")
        connection = await place.connect()
        await data.fill(connection, account.workspace_id, account.user_id, count, bench.step)
        await connection.execute("analyze")
        await connection.close()
        before = product.memory
        seen: list[float] = []
        waits: list[float] = []

        async def others() -> None:
            asked = request("GET", "/api/costs/summary?days=30", token=account.token)
            async with Client(product.port) as client:
                while True:
                    waits.append((await client.ask(asked))[0] * 1000)
                    seen.append(product.memory)
                    await asyncio.sleep(_READ_EVERY_SECONDS)

        growth: list[float] = []
        for format in _FORMATS:
            bench.step(f"{count:,} events as {format}")
            seen.clear()
            reading = asyncio.create_task(others())
            started = time.monotonic()
            try:
                size = await download(product, account, f"/api/export/events?format={format}")
            finally:
                reading.cancel()
            seconds = time.monotonic() - started
            # The first fifth is for libraries to be loaded and buffers to reach their size.
            growth.append(max(seen) - max(seen[: max(1, len(seen) // 5)]))
            bench.report.rows.append(
                absolute(
                    f"GET /api/export/events?format={format}, {count:,} events",
                    Figure.of([count / seconds]),
                    "events/s",
                    Goal("at least", _EVENTS_PER_SECOND),
                )
            )
            bench.report.notes.append(
                f"The export as {format} took {seconds:.1f} s for {size / 1e6:.0f} MB; the worker's memory was at most "
                f"{max(seen):.0f} MB (before all exports {before:.0f} MB)."
            )
    bench.report.rows += [
        absolute(
            "worker's memory: its growth over the last four fifths of an export",
            Figure.of(growth),
            "MB",
            Goal("at most", 10),
        ),
        absolute("GET /api/costs/summary meanwhile, p99", Figure.of([percentile(waits, 99)]), "ms"),
    ]
