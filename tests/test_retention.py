"""Retention: old events are deleted, every total stays, and nothing counts twice."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

import engines.costs
import engines.events
import engines.retention
from config import Settings
from database import Database
from engines.retention import RetentionEngine
from maintenance import check_rollups
from schemas.retention import Swept
from tests.conftest import client_of, running, settings_for
from tests.support.product import PATIENCE
from tests.support.team import Application, Member, assert_problem, call, new_api_key, sign_up
from utils.errors import Unavailable
from utils.time import hour_before, now

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
DAYS = 200
RETENTION = 45
NOTICE_PERIOD = timedelta(minutes=5)
# Requests before and after: 366 days hold all of DAYS.
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("/api/costs/summary", {"days": 365, "tz": "Asia/Kolkata"}),
    ("/api/costs/summary", {"days": RETENTION}),
    ("/api/costs/by-provider", {"days": 365}),
    ("/api/costs/top-models", {"days": 365}),
    ("/api/costs/by-project", {"days": 365}),
    ("/api/costs/by-tag", {"days": 365, "key": "team"}),
    ("/api/costs/timeseries", {"days": 365, "bucket": "day", "by": "model", "tz": "America/St_Johns"}),
    ("/api/costs/timeseries", {"days": 365, "bucket": "month", "by": "project"}),
    ("/api/metrics/summary", {"days": 365}),
    ("/api/metrics/latency", {"days": 365}),
    ("/api/metrics/error-rate", {"days": 365}),
    ("/api/metrics/quality", {"days": 365}),
    ("/api/feedback", {}),
    ("/api/budgets", {}),
    ("/api/projects", {}),
    ("/api/recommendations/anomalies", {"days": 90}),
]
ROLLUPS = ("spend_hourly", "spend_daily", "spend_by_tag", "budget_periods", "alerts")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred events take several batches."""
    monkeypatch.setattr(engines.retention, "EVENTS_AT_ONCE", 50)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A time at which the clock of the engines stops, so that no hour begins during the test."""
    moment = now()
    monkeypatch.setattr(engines.costs, "now", lambda: moment)
    monkeypatch.setattr(engines.events, "now", lambda: moment)
    monkeypatch.setattr(engines.retention, "now", lambda: moment)
    return moment


@pytest.fixture
async def behind(settings: Settings, url: str, request: pytest.FixtureRequest) -> AsyncIterator[Sql]:
    """A connection to the database that the application of either road uses."""
    connection = await asyncpg.connect(url if settings.database_url else request.getfixturevalue("supabase").database)
    yield connection
    await connection.close()


def varied(chance: random.Random, number: int, at: datetime) -> dict[str, Any]:
    """One of many different calls of the last 200 days."""
    return call(
        id=f"call-{number}",
        provider=chance.choice(["openai", "openai", "elsewhere"]),
        model=chance.choice(["gpt-4o", "gpt-4o-mini", "mystery"]),
        input_tokens=chance.randrange(10_000),
        output_tokens=chance.randrange(2_000),
        project=chance.choice(["search", "chat", None]),
        tags=chance.choice([{}, {"team": "a"}, {"team": "b", "env": "live"}]),
        latency_ms=chance.choice([None, round(chance.lognormvariate(6, 1), 3)]),
        status=chance.choice(["success", "success", "error"]),
        timestamp=(at - timedelta(days=DAYS) * chance.random()).isoformat(),
    )


async def keep(member: Member, days: int | None) -> None:
    """Sets the retention period of the member's workspace, in days."""
    response = await member.request("PUT", "/api/settings", json={"retention_days": days})
    assert response.status_code == 200, response.text


async def end_notice_period(sql: Sql) -> None:
    """Moves the decision into the past, so that every server knows it."""
    await sql.execute("update public.workspaces set events_since_at = events_since_at - $1::interval", NOTICE_PERIOD)


async def one_pass(database: Database) -> None:
    """One pass of a server over expired events."""
    engine = RetentionEngine(database)
    while await engine.sweep():
        pass


async def sweep(database: Database, sql: Sql) -> int:
    """Deletes all expired events, and returns their number."""
    count = "select count(*) from public.events"
    before = await sql.fetchval(count)
    await one_pass(database)
    assert await sql.fetchval(count) == before, "nothing is deleted before every server could learn of it"
    await end_notice_period(sql)
    await one_pass(database)
    return int(before - await sql.fetchval(count))


async def events(sql: Sql, member: Member) -> dict[UUID, tuple[Any, ...]]:
    """The member's events as they are stored."""
    rows = await sql.fetch("select * from public.events where workspace_id = $1", member.session["workspace_id"])
    return {row["id"]: tuple(row) for row in rows}


async def rollups(sql: Sql, member: Member) -> dict[str, list[str]]:
    """All totals of the member's workspace, row by row."""
    return {
        table: [
            row[0]
            for row in await sql.fetch(
                f"select to_jsonb(t)::text from public.{table} t where workspace_id = $1 order by 1",
                member.session["workspace_id"],
            )
        ]
        for table in ROLLUPS
    }


async def answers(member: Member) -> list[Any]:
    """The totals that the API answers to the member."""
    return [await member.get(path, **query) for path, query in QUESTIONS]


async def differences(sql: Sql, member: Member) -> int:
    """The number of totals that differ from a recount."""
    return int(await sql.fetchval("select public.rollup_differences($1, '-infinity')", member.session["workspace_id"]))


async def with_budgets(admin: Member, key: Application) -> None:
    """Sets budgets of every scope and several periods."""
    scopes: list[dict[str, str]] = [
        {}, {"project": "search"}, {"model": "gpt-*"}, {"tag": "team=a"},
        {"tag": "team=b", "provider": "openai"}, {"api_key": key.id},
    ]  # fmt: skip
    for scope in scopes:
        for period in ("daily", "monthly", "yearly"):
            budget = {"limit": 5, "period": period, "scope": scope, "tz": "Europe/Berlin", "thresholds": [1, 50]}
            response = await admin.request("POST", "/api/budgets", json=budget)
            assert response.status_code == 201, response.text


@pytest.mark.parametrize("seed", range(4))
async def test_old_events_are_deleted_and_every_total_stays(
    url: str, sql: Sql, at: datetime, no_deliveries: None, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as app, client_of(app) as client:
        ada, bob = await sign_up(client, "Ada"), await sign_up(client, "Bob")
        sent = [varied(chance, number, at) for number in range(400)]
        key = await new_api_key(ada)
        await ada.batch(*sent[:200])
        await with_budgets(ada, key)
        await key.batch(*sent[200:])
        await bob.batch(*sent)
        for number in range(10):
            rated = await ada.request("POST", "/api/feedback", json={"event_id": f"call-{number}", "rating": 4})
            assert rated.status_code == 201, rated.text
        before, bobs = await events(sql, ada), await events(sql, bob)
        answered, totals, bobs_totals = await answers(ada), await rollups(sql, ada), await rollups(sql, bob)

        await keep(ada, RETENTION)
        database: Database = app.state.engines.retention._database
        limit = hour_before(at - timedelta(days=RETENTION))
        kept = {id: row for id, row in before.items() if row[2] >= limit}
        assert 0 < len(kept) < len(before) == 400
        assert await sweep(database, sql) == 400 - len(kept)
        assert await sweep(database, sql) == 0

        assert await events(sql, ada) == kept
        assert await events(sql, bob) == bobs
        assert await answers(ada) == answered
        assert await rollups(sql, ada) == totals
        assert await differences(sql, ada) == 0
        for workspace in (ada, bob):
            await database.rebuild_rollups(UUID(workspace.session["workspace_id"]), datetime(2000, 1, 1, tzinfo=UTC))
        assert await rollups(sql, ada) == totals
        assert await rollups(sql, bob) == bobs_totals
        assert await check_rollups(settings, rebuild=True)
        assert await rollups(sql, ada) == totals

        # Afterwards, repeated events are recognised or refused, and new ones are counted.
        again = await key.batch(*sent)
        assert (again["recorded"], again["duplicates"]) == (0, len(kept))
        assert len(again["rejected"]) == 400 - len(kept)
        assert await rollups(sql, ada) == totals
        new = [varied(chance, 1000 + number, at) for number in range(100)]
        result = await key.batch(*new)
        assert result["recorded"] > 0
        assert result["recorded"] + len(result["rejected"]) == 100
        assert await differences(sql, ada) == 0


@pytest.mark.both_roads
async def test_an_event_beyond_the_retention_period_is_refused(
    at: datetime, no_deliveries: None, ada: Member, app: FastAPI, behind: Sql
) -> None:
    old, recent = (at - timedelta(days=days) for days in (40, 2))
    sent = [call(id="old", timestamp=old.isoformat()), call(id="recent", timestamp=recent.isoformat())]
    assert (await ada.batch(*sent))["recorded"] == 2
    await keep(ada, 30)
    limit = hour_before(at - timedelta(days=30))
    said = f"timestamp is before {limit:%Y-%m-%dT%H:%MZ}, the start of the retention period"
    assert_problem(await ada.track(**sent[0]), 422, said)
    assert (await ada.track(timestamp=limit.isoformat(), id="first")).status_code == 201
    assert_problem(await ada.track(timestamp=(limit - timedelta(seconds=1)).isoformat()), 422, said)
    assert (await ada.batch(*sent))["rejected"] == [{"index": 0, "detail": said}]

    assert await sweep(app.state.engines.retention._database, behind) >= 1
    assert_problem(await ada.request("GET", "/api/events/old"), 404, "Event not found")
    assert (await ada.request("GET", "/api/events/recent")).status_code == 200
    # Deleted events may not come back, even with a longer retention period.
    for days in (90, None):
        await keep(ada, days)
        assert_problem(await ada.track(**sent[0]), 422, said)
        assert (await ada.track(**sent[1])).status_code == 200
    assert (await ada.get("/api/costs/summary", days=60))["call_count"] == 3


@pytest.mark.both_roads
async def test_retention_runs_in_the_background(
    ada: Member, app: FastAPI, behind: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    at = now()
    await ada.batch(*[call(timestamp=(at - timedelta(days=3, minutes=number)).isoformat()) for number in range(99)])
    await ada.track()
    await keep(ada, 2)
    engine = RetentionEngine(app.state.engines.retention._database)
    engine.sweeping.every_seconds = 0.01
    with caplog.at_level(logging.INFO, "llmlab.retention"):
        task = asyncio.create_task(engine.sweeping.run())
        async with asyncio.timeout(PATIENCE):
            while "Deleted" not in caplog.text:
                await end_notice_period(behind)
        engine.sweeping.stop()
        await task
    assert "Deleted 99 expired events" in caplog.text
    assert len(await events(behind, ada)) == 1


async def test_a_failing_workspace_does_not_delay_others() -> None:
    good, bad = uuid4(), uuid4()
    asked = []

    class Road:
        """A database in which one workspace is broken."""

        async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
            if function == "retention_due":
                return [good, bad]
            asked.append(parameters["p_workspace_id"])
            if asked[-1] == bad:
                raise Unavailable
            return {"deleted": 0, "reached": None}

    engine = RetentionEngine(Database(cast(Any, Road())))
    for _ in range(2):
        with suppress(Unavailable):
            await engine.sweep()
    assert sorted(asked) == sorted([good, bad])


async def test_events_are_deleted_only_after_every_server_knows(
    no_deliveries: None, ada: Member, app: FastAPI, behind: Sql
) -> None:
    workspace, database = UUID(ada.session["workspace_id"]), app.state.engines.retention._database
    at = now()
    await ada.track(timestamp=(at - timedelta(days=9)).isoformat())
    await ada.track(timestamp=(at - timedelta(days=12)).isoformat())
    assert workspace not in await database.retention_due(at)
    await keep(ada, 13)
    assert workspace not in await database.retention_due(at)
    await keep(ada, 8)
    assert workspace in await database.retention_due(at)
    nothing = Swept(deleted=0, reached=None)
    assert await database.retention_sweep(workspace, None, 10, at) == nothing
    assert await database.retention_sweep(workspace, None, 10, at + NOTICE_PERIOD - timedelta(seconds=1)) == nothing
    since = await behind.fetchval("select events_since from public.workspaces where id = $1", workspace)
    assert since == hour_before(at - timedelta(days=8))
    # Extending the retention period before a deletion keeps the events.
    for days, deleted in ((None, 0), (13, 0), (10, 1), (10, 0), (8, 1)):
        await keep(ada, days)
        assert (await database.retention_sweep(workspace, None, 10, at + NOTICE_PERIOD)).deleted == deleted
    # An event that was accepted nevertheless is deleted with the next hour, which is never before the deleted ones.
    await ada.track(timestamp=at.isoformat())
    await behind.execute(
        'update public.events set "timestamp" = $2 where workspace_id = $1', workspace, at - timedelta(days=20)
    )
    await keep(ada, 10)
    assert await database.retention_sweep(workspace, at, 10, at + NOTICE_PERIOD) == nothing
    assert since == await behind.fetchval("select events_since from public.workspaces where id = $1", workspace)


async def test_a_server_with_a_slow_clock_is_notified_too(
    at: datetime, no_deliveries: None, ada: Member, app: FastAPI
) -> None:
    event = {"id": "late", "timestamp": (at - timedelta(days=8)).isoformat()}
    await keep(ada, 8)
    assert (await ada.track(**event)).status_code == 201
    workspace, database = UUID(ada.session["workspace_id"]), app.state.engines.retention._database
    await database.retention_sweep(workspace, None, 10, at + timedelta(hours=2))
    # The background task runs within a second.
    app.state.engines.terms.forget()
    assert_problem(await ada.track(**event), 422)


async def history(client: httpx.AsyncClient, sql: Sql, count: int) -> Member:
    """A member with this number of expired events, and one that stays."""
    ada = await sign_up(client, "Ada")
    at = now()
    # Many have the same timestamp: the end of a batch must not matter.
    old = [call(id=f"{n}", timestamp=(at - timedelta(days=90 - n // 40)).isoformat()) for n in range(count)]
    assert (await ada.batch(*old))["recorded"] == count
    await ada.track()
    await keep(ada, 10)
    return ada


async def test_concurrent_sweeps_delete_each_event_once(
    url: str, sql: Sql, no_deliveries: None, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as one, running(settings) as other, client_of(one) as client:
        ada = await history(client, sql, 600)
        totals = await rollups(sql, ada)
        workspace = UUID(ada.session["workspace_id"])
        await one_pass(one.state.engines.retention._database)
        await end_notice_period(sql)

        async def work(app: FastAPI) -> int:
            database: Database = app.state.engines.retention._database
            deleted = 0
            # No deletion may also mean that another sweep was active.
            while await database.retention_due(now()):
                deleted += (await database.retention_sweep(workspace, None, 30, now())).deleted
            return deleted

        deleted = await asyncio.gather(*[work(app) for app in (one, other, one, other)])
        assert sum(deleted) == 600
        assert len(await events(sql, ada)) == 1
        assert await rollups(sql, ada) == totals
        assert await differences(sql, ada) == 0
        assert await sql.fetchval("select deadlocks from pg_stat_database where datname = current_database()") == 0


async def test_sweeps_do_not_wait_for_each_other_and_a_recount_sees_whole_ones(
    url: str, sql: Sql, no_deliveries: None, tmp_path: Path
) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await history(client, sql, 100)
        workspace, database = UUID(ada.session["workspace_id"]), app.state.engines.retention._database
        await one_pass(database)
        await end_notice_period(sql)
        transaction = sql.transaction()
        await transaction.start()
        await sql.execute("select public.retention_sweep($1, null, 60, now())", workspace)
        assert len(await events(sql, ada)) == 41
        # Another server does other work at the same time.
        assert (await database.retention_sweep(workspace, None, 10, now())).deleted == 0
        rebuilding = asyncio.create_task(database.rebuild_rollups(workspace, datetime(2000, 1, 1, tzinfo=UTC)))
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while not rebuilding.done() and not await sql.fetchval(waiting):
            await asyncio.sleep(0.01)
        assert not rebuilding.done()
        await transaction.rollback()
        await rebuilding
        assert len(await events(sql, ada)) == 101
        assert await differences(sql, ada) == 0


async def test_a_sweep_that_is_killed_leaves_every_total_as_it_was(
    url: str, sql: Sql, no_deliveries: None, tmp_path: Path
) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await history(client, sql, 100)
        answered, totals = await answers(ada), await rollups(sql, ada)
        workspace, database = UUID(ada.session["workspace_id"]), app.state.engines.retention._database
        await one_pass(database)
        await end_notice_period(sql)
        assert (await database.retention_sweep(workspace, None, 30, now())).deleted == 30
        victim = await asyncpg.connect(url)
        await victim.execute("begin")
        await victim.execute("select public.retention_sweep($1, null, 50, now())", workspace)
        assert await victim.fetchval("select count(*) from public.events") == 21
        await sql.execute("select pg_terminate_backend($1)", victim.get_server_pid())
        victim.terminate()
        for left in (71, 1):
            assert len(await events(sql, ada)) == left
            assert await answers(ada) == answered
            assert await rollups(sql, ada) == totals
            assert await differences(sql, ada) == 0
            await one_pass(database)


async def spend(admin: Member, **budget: Any) -> float:
    """The spend of a budget after it is set."""
    response = await admin.request("POST", "/api/budgets", json={"limit": 1, **budget})
    assert response.status_code == 201, response.text
    return float(response.json()["current_spend"])


async def test_budgets_count_deleted_events_that_the_totals_include(
    url: str, sql: Sql, no_deliveries: None, tmp_path: Path
) -> None:
    long = {"period": "custom", "custom": {"start": "2025-01-01", "days": 3_650}}
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        key, other = await new_api_key(ada), await new_api_key(ada, name="other")
        assert await spend(ada, scope={"api_key": key.id}, **long) == 0
        for sender in (key, other):
            for days in (40, 20, 1):
                at = (now() - timedelta(days=days)).isoformat()
                await sender.track(timestamp=at, project="search", tags={"team": "a"})
        await keep(ada, 30)
        assert await sweep(app.state.engines.retention._database, sql) == 2
        # All six calls, by the totals.
        for scope in ({}, {"project": "search"}, {"provider": "openai"}, {"model": "gpt*"}, {"tag": "team=a"}):
            assert await spend(ada, scope=scope, **long) == 0.045, scope
        # A changed budget keeps its count; a new one counts the stored calls.
        assert await spend(ada, scope={"api_key": key.id}, limit=2, **long) == 0.0225
        assert await spend(ada, scope={"api_key": other.id}, **long) == 0.015
        assert await spend(ada, scope={"tag": "team=a", "provider": "openai"}, **long) == 0.03
        # Other periods than before are counted from the stored calls.
        assert await spend(ada, scope={"api_key": key.id}, tz="Asia/Tokyo", **long) == 0.015
        totals = await rollups(sql, ada)
        assert await differences(sql, ada) == 0
        await app.state.engines.retention._database.rebuild_rollups(
            UUID(ada.session["workspace_id"]), datetime(2000, 1, 1, tzinfo=UTC)
        )
        assert await rollups(sql, ada) == totals


async def test_differences_in_the_retained_range_are_found_and_rebuilt(
    url: str, sql: Sql, no_deliveries: None, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        key = await new_api_key(ada)
        assert await spend(ada, scope={"api_key": key.id}, period="daily") == 0
        for days in (40, 20, 1):
            await key.track(timestamp=(now() - timedelta(days=days)).isoformat(), tags={"team": "a"})
        await keep(ada, 30)
        assert await sweep(app.state.engines.retention._database, sql) == 1
        totals = await rollups(sql, ada)
        assert [len(totals[table]) for table in ROLLUPS] == [3, 3, 3, 3, 0]
        for table, time, broken in (
            ("spend_hourly", "bucket", "calls = calls + 1"),
            ("spend_by_tag", "bucket", "calls = calls + 1"),
            ("budget_periods", "period_start", "spend = spend + 1"),
        ):
            await sql.execute(f"update public.{table} set {broken} where {time} > $1", now() - timedelta(days=30))
        # An hour or period and its copy in every total; the day of an hour that is wrong differs, too.
        assert await differences(sql, ada) == 8
        assert not await check_rollups(settings, rebuild=False)
        assert await check_rollups(settings, rebuild=True)
        assert await rollups(sql, ada) == totals
