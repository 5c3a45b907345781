"""Ingestion: single events, batches, and the SQL function alone."""

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg

from bench import data
from bench.load import Outcome, closed_loop, open_loop, request, undisturbed
from bench.plan import Bench
from bench.report import Figure, Goal, absolute, ratio
from bench.server import BenchError, Lab, Server, lab
from bench.witness import Spent, check_stored, note_postgres
from utils import json

_TRACK_CONNECTIONS = 64
_BATCH_CONNECTIONS = 4
_BATCH = 500
_SQL_BATCH = 1_000


class Side(NamedTuple):
    """A server and the requests for it."""

    server: Server
    requests: Sequence[bytes]


async def track(bench: Bench) -> None:
    """One event per request, answered after its commit, compared with bare FastAPI."""
    random = Random(1)
    bodies = [json.dumps(data.event(random)) for _ in range(500)]
    with lab() as place, place.product() as product, place.app("bare") as bare, place.app("raw") as raw:
        account = await product.sign_up("track")
        ours = Side(product, [request("POST", "/api/events/track", token=account.token, body=b) for b in bodies])
        theirs = Side(bare, [request("POST", "/api/events/track", body=body) for body in bodies])
        bench.step("warming up")
        accepted = len((await _flood(bench, ours)).latencies)
        await _flood(bench, theirs)
        recorded, half = await _rates(bench, place, ours, theirs)
        await place.settle()
        accepted += recorded + await _tails(bench, ours, theirs, half)
        await check_stored(place, account, accepted)
        await note_postgres(bench, place)
        bench.step("the load generator alone")
        ceiling = await _flood(bench, Side(raw, theirs.requests))
    bench.report.rows.append(
        absolute("Load generator with a fixed answer", Figure.of([ceiling.per_second]), "requests/s")
    )


async def _rates(bench: Bench, place: Lab, ours: Side, theirs: Side) -> tuple[int, float]:
    """Measures requests per second; returns the number of requests to LLMLab, and half its rate."""
    found: dict[str, list[Outcome]] = {"ours": [], "theirs": []}
    spent = Spent(server=ours.server.process, Postgres=place.postgres)
    spent_bare = Spent(server=theirs.server.process)
    for turn in bench.turns("one event per request"):
        with spent:
            found["ours"].append(await _flood(bench, ours))
        with spent_bare:
            found["theirs"].append(await _flood(bench, theirs))
        bench.show(turn, f"{found['ours'][-1].per_second:,.0f}/s, bare {found['theirs'][-1].per_second:,.0f}/s")
    rates = {name: Figure.of([outcome.per_second for outcome in outcomes]) for name, outcomes in found.items()}
    sent = {name: sum(len(outcome.latencies) for outcome in outcomes) for name, outcomes in found.items()}
    bench.report.rows.append(
        ratio(
            f"POST /api/events/track, {_TRACK_CONNECTIONS} connections",
            rates["ours"],
            "requests/s",
            "bare FastAPI, same body",
            rates["theirs"],
            Goal("at least", 0.45, 0.7),
        )
    )
    bench.report.notes.append(
        f"CPU time of POST /api/events/track, in ms per request: {spent.per(sent['ours'], 1e3)}; "
        f"bare FastAPI: {spent_bare.per(sent['theirs'], 1e3)}."
    )
    return sent["ours"], rates["ours"].median / 2


async def _tails(bench: Bench, ours: Side, theirs: Side, rate: float) -> int:
    """Measures the p99 at a fixed rate; returns the number of requests to LLMLab."""
    tails: dict[str, list[float]] = {"ours": [], "theirs": []}
    sent = 0
    late = 0.0
    # Twice as many repeats, because other load on the machine affects tail latencies most.
    for turn in bench.turns(f"one event per request, {rate:,.0f} a second", 2 * bench.sizes.repeats):
        for name, side in (("ours", ours), ("theirs", theirs)):
            outcome = await open_loop(
                side.server.port,
                side.requests,
                connections=_TRACK_CONNECTIONS,
                rate=rate,
                seconds=2 * bench.sizes.seconds,
            )
            tails[name].append(outcome.percentile(99) * 1000)
            late = max(late, outcome.lateness)
            sent += len(outcome.latencies) if side is ours else 0
        bench.show(turn, f"p99 {tails['ours'][-1]:.1f} ms, bare {tails['theirs'][-1]:.1f} ms")
    bench.report.rows.append(
        ratio(
            f"POST /api/events/track at half that rate ({rate:,.0f}/s, fixed), p99",
            Figure.of(tails["ours"]),
            "ms",
            "bare FastAPI at the same rate",
            Figure.of(tails["theirs"]),
            Goal("at most", 4, 2),
        )
    )
    bench.report.notes.append(
        f"At the fixed rate, the generator's own timer was at most {late * 1000:.1f} ms late (p99). "
        "Latency counts from the arrival of a request, also if it had to wait for a connection."
    )
    return sent


async def _flood(bench: Bench, side: Side) -> Outcome:
    return await closed_loop(
        side.server.port, side.requests, connections=_TRACK_CONNECTIONS, seconds=bench.sizes.seconds
    )


async def batch(bench: Bench) -> None:
    """Batches through the API, compared with calls of the SQL function with the same batches."""
    bodies = data.batches(bench.sizes.batches, _BATCH)
    with lab() as place, place.product() as product:
        account = await product.sign_up("batch")
        requests = [request("POST", "/api/events/batch", token=account.token, body=body) for body in bodies]
        recorded = await data.recordings(bodies, account.user_id, account.workspace_id)
        pool = await asyncpg.create_pool(place.url, min_size=_BATCH_CONNECTIONS, max_size=_BATCH_CONNECTIONS)
        connection = await place.connect()
        direct = await data.new_workspace(connection)

        async def through_api() -> float:
            outcome = await closed_loop(
                product.port, requests, connections=_BATCH_CONNECTIONS, count=len(requests) * bench.sizes.passes
            )
            return outcome.per_second * _BATCH

        async def through_sql() -> float:
            calls = [data.renewed(p, direct) for _ in range(bench.sizes.passes) for p in recorded]
            return await _call_all(pool, calls) * _BATCH

        bench.step("warming up")
        await through_api()
        await through_sql()
        ours, theirs = [], []
        spent = Spent(server=product.process, Postgres=place.postgres)
        for turn in bench.turns("batches of 500"):
            with spent:
                ours.append(await through_api())
            theirs.append(await through_sql())
            bench.show(turn, f"{ours[-1]:,.0f} events/s, SQL {theirs[-1]:,.0f}")
        await pool.close()
        await connection.close()
        sent = len(bodies) * bench.sizes.passes
        await check_stored(place, account, (bench.sizes.repeats + 1) * sent * _BATCH)
    bench.report.rows.append(
        ratio(
            f"POST /api/events/batch of {_BATCH}, {_BATCH_CONNECTIONS} connections",
            Figure.of(ours),
            "events/s",
            f"record_events through asyncpg, {_BATCH_CONNECTIONS} connections",
            Figure.of(theirs),
            Goal("at least", 0.5, 0.8),
        )
    )
    bench.report.notes.append(
        f"CPU time of POST /api/events/batch, in µs per event: {spent.per(sent * _BATCH * len(ours), 1e6)}."
    )


async def function(bench: Bench) -> None:
    """The SQL function, with events in and out of order of time, compared with COPY of the same rows."""
    with lab() as place:
        connection = await place.connect()
        calls = {}
        for scattered in (False, True):
            bodies = data.batches(bench.sizes.sql_batches, _SQL_BATCH, scattered=scattered)
            calls[scattered] = await data.recordings(bodies, uuid4(), uuid4())
        bench.step("warming up")
        workspace_id = await data.new_workspace(connection)
        await _call_all(connection, [data.renewed(p, workspace_id) for p in calls[False]])
        rows = await connection.fetch("select * from public.events where workspace_id = $1 order by id", workspace_id)
        rates: dict[str, list[float]] = {"function": [], "copy": [], "scattered": []}
        for turn in bench.turns("record_events in batches of 1,000"):
            for name, scattered in (("function", False), ("scattered", True)):
                workspace_id = await data.new_workspace(connection)
                fresh = [data.renewed(p, workspace_id) for p in calls[scattered]]
                rates[name].append(await _call_all(connection, fresh) * _SQL_BATCH)
            rates["copy"].append(await _copy_all(connection, rows, await data.new_workspace(connection)))
            bench.show(turn, f"{rates['function'][-1]:,.0f} events/s, COPY {rates['copy'][-1]:,.0f}")
        differences = await connection.fetchval(
            "select public.rollup_differences($1, '-infinity')", calls[False][0]["p_workspace_id"]
        )
        await connection.close()
    if differences:
        raise BenchError(f"{differences} rollup rows differ from their events")
    copied = Figure.of(rates["copy"])
    bench.report.rows += [
        ratio(
            f"record_events in batches of {_SQL_BATCH:,}, in order of time",
            Figure.of(rates["function"]),
            "events/s",
            "COPY of the same rows into events, 1,000 per commit",
            copied,
            Goal("at least", 0.25, 0.5),
        ),
        ratio(
            f"record_events in batches of {_SQL_BATCH:,}, each scattered over {data.DAYS} days",
            Figure.of(rates["scattered"]),
            "events/s",
            "the same COPY",
            copied,
        ),
    ]


async def _call_all(
    to: "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]", calls: Sequence[dict[str, Any]]
) -> float:
    """Makes the calls, in parallel with a pool; returns calls per second."""
    statement = data.record_statement(calls[0])
    waiting = iter(calls)

    async def work(connection: Any) -> None:
        for parameters in waiting:
            await connection.fetchval(statement, *parameters.values())

    with undisturbed():
        started = time.perf_counter()
        if isinstance(to, asyncpg.Pool):
            connections = [await to.acquire() for _ in range(_BATCH_CONNECTIONS)]
            await asyncio.gather(*(work(connection) for connection in connections))
            for connection in connections:
                await to.release(connection)
        else:
            await work(to)
        return len(calls) / (time.perf_counter() - started)


async def _copy_all(
    connection: "asyncpg.Connection[asyncpg.Record]", rows: Sequence[asyncpg.Record], workspace_id: Any
) -> float:
    """Copies the rows into another workspace, a thousand per commit; returns rows per second."""
    columns = list(rows[0].keys())
    moved = [(workspace_id, *tuple(row)[1:]) for row in rows]
    assert columns[0] == "workspace_id"
    with undisturbed():
        started = time.perf_counter()
        for at in range(0, len(moved), _SQL_BATCH):
            await connection.copy_records_to_table(
                "events", schema_name="public", columns=columns, records=moved[at : at + _SQL_BATCH]
            )
        return len(moved) / (time.perf_counter() - started)
