"""Ingestion while expired events of the same workspace are deleted, compared with ingestion alone."""

import asyncio

import asyncpg
from pydantic import SecretStr

from bench import data
from bench.load import closed_loop, request
from bench.plan import Bench
from bench.report import Figure, Goal, ratio
from bench.server import Account, BenchError, lab
from config import Settings
from database import Database
from engines.retention import RetentionEngine
from utils.time import now

_BATCH = 500
_CONNECTIONS = 4
_KEPT_DAYS = 30


async def sweep(bench: Bench) -> None:
    """Measures batches with and without a sweep alternately. Deleted events are restored before each turn."""
    with lab() as place, place.product() as product:
        account = await product.sign_up("retention")
        requests = [
            request("POST", "/api/events/batch", token=account.token, body=body)
            for body in data.batches(bench.sizes.batches, _BATCH)
        ]
        connection = await place.connect()
        await _fill(bench, connection, account)
        database = await Database.open(
            Settings(database_url=SecretStr(place.url), secret_key=SecretStr("bench" * 8), data_dir=place.folder)
        )
        sent = 0

        async def load() -> float:
            nonlocal sent
            outcome = await closed_loop(product.port, requests, connections=_CONNECTIONS, seconds=bench.sizes.seconds)
            sent += len(outcome.latencies) * _BATCH
            return outcome.per_second * _BATCH

        bench.step("warming up")
        await load()
        rates: dict[str, list[float]] = {"sweeping": [], "alone": []}
        deleted = []
        for turn in bench.turns("batches during a sweep"):
            await connection.execute("insert into public.events table bench_expired on conflict do nothing", timeout=60)
            rates["alone"].append(await load())
            stored = await _stored(connection, account) - sent
            sweeping = RetentionEngine(database).sweeping
            task = asyncio.create_task(sweeping.run())
            rates["sweeping"].append(await load())
            sweeping.stop()
            await task
            left = await _stored(connection, account) - sent
            if not await database.retention_due(now()):
                raise BenchError("The sweep ended before the load, so the rates cannot be compared")
            deleted.append((stored - left) / bench.sizes.seconds)
            bench.show(turn, f"{rates['sweeping'][-1]:,.0f} events/s, alone {rates['alone'][-1]:,.0f}")
        await database.close()
        await _check(connection, account, bench.sizes.expired_events + sent)
        await connection.close()
    bench.report.rows.append(
        ratio(
            f"POST /api/events/batch of {_BATCH} while expired events are deleted",
            Figure.of(rates["sweeping"]),
            "events/s",
            "the same without deletion",
            Figure.of(rates["alone"]),
            Goal("at least", 0.8, 0.9),
        )
    )
    bench.report.notes.append(f"During that load, {Figure.of(deleted).show()} expired events were deleted per second.")


async def _stored(connection: "asyncpg.Connection[asyncpg.Record]", account: Account) -> int:
    return int(
        await connection.fetchval("select count(*) from public.events where workspace_id = $1", account.workspace_id)
    )


async def _fill(bench: Bench, connection: "asyncpg.Connection[asyncpg.Record]", account: Account) -> None:
    """Loads events of 90 days, of which the last 30 days are kept."""
    count = bench.sizes.expired_events
    await data.fill(
        connection, account.workspace_id, account.user_id, count, lambda reached: bench.step(f"loading, {reached}")
    )
    await connection.execute(
        "insert into public.settings (workspace_id, retention_days, updated_by, updated_at) values ($1, $2, $3, now())",
        account.workspace_id,
        _KEPT_DAYS,
        account.user_id,
    )
    # Set an hour ago, so that every server has read it.
    await connection.execute(
        "update public.workspaces set events_since = llmlab_private.retention_limit($2, now()), terms_version = 1,"
        " events_since_at = now() - interval '1 hour' where id = $1",
        account.workspace_id,
        _KEPT_DAYS,
    )
    await connection.execute(
        "create table bench_expired as select e.* from public.events e"
        ' join public.workspaces w on w.id = e.workspace_id where e."timestamp" < w.events_since'
    )
    await connection.execute("vacuum analyze", timeout=3600)


async def _check(connection: "asyncpg.Connection[asyncpg.Record]", account: Account, calls: int) -> None:
    """Checks that the totals include all calls, and that the rollups of kept events match them."""
    rolled_up = await connection.fetchval(
        "select sum(calls)::bigint from public.spend_daily where workspace_id = $1", account.workspace_id
    )
    differences = await connection.fetchval(
        "select public.rollup_differences($1, '-infinity')", account.workspace_id, timeout=600
    )
    if rolled_up != calls or differences:
        raise BenchError(f"{rolled_up} of {calls} calls are in the totals, and {differences} totals differ")
