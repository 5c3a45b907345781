"""The storage per event in Postgres, including indexes and rollups."""

from uuid import uuid4

from bench import data
from bench.plan import Bench
from bench.report import Figure, Goal, ratio
from bench.server import lab

_BATCH = 100


async def size(bench: Bench) -> None:
    """Stores events in batches of a hundred, and compares the size with a bare table of the same columns."""
    count = bench.sizes.storage_events
    with lab() as place:
        connection = await place.connect()
        workspace_id = await data.new_workspace(connection)
        bodies = data.batches(count // _BATCH, _BATCH)
        for done, parameters in enumerate(await data.recordings(bodies, uuid4(), workspace_id)):
            if done % 200 == 0:
                bench.step(f"{done * _BATCH:,} of {count:,} events stored")
            await connection.execute(data.record_statement(parameters), *parameters.values())
        await connection.execute("create table public.bench_heap as select * from public.events order by id")
        heap = await connection.fetchval("select pg_total_relation_size('public.bench_heap')")
        rows = await connection.fetchval("select pg_table_size('public.events')")
        indexes = await connection.fetchval("select pg_indexes_size('public.events')")
        rollups = await connection.fetch(
            "select relname as name, pg_total_relation_size(oid) as bytes from pg_catalog.pg_class"
            " where relnamespace = 'public'::regnamespace and relkind = 'r' and relname like 'spend%' order by 1"
        )
        await connection.close()
    parts = {"rows": rows, "indexes": indexes, **{row["name"]: row["bytes"] for row in rollups}}
    bench.report.rows.append(
        ratio(
            "Bytes per event, including indexes and rollups",
            Figure.of([sum(parts.values()) / count]),
            "bytes",
            "bare table of the same columns",
            Figure.of([heap / count]),
            Goal("at most", 2.2, 1.6),
        )
    )
    bench.report.notes.append(
        f"Bytes per event for {count:,} events, at {data.EVENTS_PER_DAY:,.0f} per day and before any vacuum: "
        + ", ".join(f"{name} {size / count:.0f}" for name, size in parts.items())
        + "."
    )
