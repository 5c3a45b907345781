"""How many bytes an event takes in Postgres, indexes and rollups included."""

from uuid import uuid4

from bench import data
from bench.plan import Bench
from bench.report import Figure, Goal, ratio
from bench.server import lab

_BATCH = 100


async def size(bench: Bench) -> None:
    """Events as they come in, a hundred at a time, against a bare table of the same columns."""
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
    parts = {"rows": rows, "their indexes": indexes, **{row["name"]: row["bytes"] for row in rollups}}
    bench.report.rows.append(
        ratio(
            "bytes per event, indexes and rollups included",
            Figure.of([sum(parts.values()) / count]),
            "bytes",
            "bare table of the same columns",
            Figure.of([heap / count]),
            Goal("at most", 2.2, 1.6),
        )
    )
    bench.report.notes.append(
        f"Bytes per event over {count:,} events, at {data.EVENTS_PER_DAY:,.0f} a day and before any vacuum: "
        + ", ".join(f"{name} {taken / count:.0f}" for name, taken in parts.items())
        + "."
    )
