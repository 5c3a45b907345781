"""Exports: throughput, memory, and the latency of other requests at the same time."""

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
    """Downloads a file without storing it; returns its size in bytes, including HTTP overhead."""
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
        raise BenchError(f"{path} is incomplete: {first[:200]!r} ... {tail!r}")
    return size


async def exports(bench: Bench) -> None:
    """Exports all events of a workspace in each format, with requests for totals at the same time."""
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
            # In the first fifth, libraries are loaded and buffers grow to their size.
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
                f"Export as {format}: {size / 1e6:.0f} MB in {seconds:.1f} s; peak memory of the worker "
                f"{max(seen):.0f} MB (before all exports {before:.0f} MB)."
            )
    bench.report.rows += [
        absolute(
            "Memory growth of the worker in the last four fifths of an export",
            Figure.of(growth),
            "MB",
            Goal("at most", 10),
        ),
        absolute("GET /api/costs/summary during exports, p99", Figure.of([percentile(waits, 99)]), "ms"),
    ]
