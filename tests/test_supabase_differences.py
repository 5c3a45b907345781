"""How the road over HTTPS differs from a connection to Postgres. docs/operating.md lists the differences."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

import roads.postgres
import roads.road
import roads.supabase
from roads.migrations import newest_version
from roads.postgres import PostgresRoad
from roads.supabase import SupabaseRoad
from tests.conftest import client_of, running, settings_for
from tests.support.gateway import Gateway
from tests.support.ports import free_port
from tests.support.product import PATIENCE, ROOT
from tests.support.supabase_project import SECRET_KEY, TOKENS
from tests.support.supabase_server import SupabaseServer
from tests.support.team import Member, assert_problem, call, sign_up
from utils.errors import Unavailable


@pytest.fixture
def url(project_url: str) -> str:
    """The database of a Supabase project."""
    return project_url


@asynccontextmanager
async def project_at(url: str, tmp_path: Path) -> AsyncIterator[SupabaseServer]:
    """The REST interface of a database."""
    server = await asyncio.to_thread(SupabaseServer, tmp_path / "supabase", url)
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def reached_by(road: str, url: str, tmp_path: Path) -> AsyncIterator[Member]:
    """A member of a server that reaches the database on this road."""
    async with project_at(url, tmp_path) as server:
        rest = {"supabase_url": server.url, "supabase_key": SECRET_KEY}
        settings = settings_for(tmp_path, **({"database_url": url} if road == "postgres" else rest))
        async with running(settings) as app, client_of(app) as client:
            yield await sign_up(client, "Ada")


# Live updates


async def test_changes_of_another_server_are_noticed_by_polling(
    supabase: SupabaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, due = asyncio.Event(), asyncio.Event()

    async def poll() -> None:
        waiting.set()
        await due.wait()

    monkeypatch.setattr(roads.supabase, "polling", poll)
    settings = settings_for(tmp_path, supabase_url=supabase.url, supabase_key=SECRET_KEY)
    sql = await asyncpg.connect(supabase.database)
    async with running(settings) as one, running(settings) as two, client_of(one) as client:
        ada = await sign_up(client, "Ada")
        watch = await watch_of(two, ada)
        messages = watch.messages()
        assert (await anext(messages)).event == "hello"
        async with asyncio.timeout(PATIENCE):
            await waiting.wait()
            await ada.track()
            while not await sql.fetchval(
                "select count(*) from public.changes where workspace_id = $1 and kinds::text like '%events%'",
                ada.session["workspace_id"],
            ):
                await asyncio.sleep(0.01)
            assert watch._news() is None
            due.set()
            while (message := await anext(messages)) is None:
                pass
        assert message.what == ["events"]
    await sql.close()


async def test_the_connections_of_a_project_are_not_measured(supabase: SupabaseServer, url: str) -> None:
    over_https = await SupabaseRoad.open(supabase.url, SECRET_KEY)
    straight = await PostgresRoad.open(url)
    assert over_https.connections() == {}
    assert {*straight.connections()} == {"in_use", "idle"}
    await over_https.close()
    await straight.close()


def test_the_interval_of_polling_is_documented() -> None:
    assert roads.road._POLLING_SECONDS == 0.5
    assert "polls every half second" in (ROOT / "docs" / "operating.md").read_text()


async def watch_of(app: FastAPI, member: Member) -> Any:
    """A watch on the member's workspace."""
    token = member.headers["Authorization"].removeprefix("Bearer ")
    identity = await app.state.engines.identities.identify(token, None)
    return await app.state.engines.live.watch(identity, token, None)


# Time limits


async def test_a_project_limits_the_time_of_statements_and_locks(url: str, tmp_path: Path) -> None:
    sql = await asyncpg.connect(url)
    await sql.execute(
        "create function public.limits() returns text language sql as"
        " 'select concat_ws('' '', current_setting(''statement_timeout''), current_setting(''lock_timeout''))';"
        "grant execute on function public.limits() to service_role"
    )
    await sql.close()
    async with project_at(url, tmp_path) as server, httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.post("/rest/v1/rpc/limits", headers={"apikey": SECRET_KEY})
        assert answer.json() == "8s 8s"


SUMMARY = "p_workspace_id uuid, p_start timestamptz, p_end timestamptz, p_tz text"
RECORDING = "p_workspace_id uuid, p_created_at timestamptz, p_events text"


def replaced(function: str, parameters: str, limit: str, body: str) -> str:
    """The SQL that replaces a function."""
    return (
        f"create or replace function public.{function}({parameters}) returns jsonb"
        f" language plpgsql set statement_timeout = '{limit}' as $$ begin {body}; return '{{}}'; end $$"
    )


@pytest.mark.parametrize("road", ["postgres", "supabase"])
async def test_a_function_is_stopped_at_its_limit_and_the_caller_reads_what_to_narrow(
    road: str, url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    for function, parameters in (("cost_summary", SUMMARY), ("record_events", RECORDING)):
        await sql.execute(replaced(function, parameters, "100ms", "perform pg_sleep(3600)"))
    async with reached_by(road, url, tmp_path) as ada:
        read, recorded = await ada.request("GET", "/api/costs/summary"), await ada.track()
    assert "a shorter range of dates" in assert_problem(read, 503)["detail"]
    assert "fewer events" in assert_problem(recorded, 503)["detail"]
    assert read.headers["Retry-After"] and recorded.headers["Retry-After"]
    async with asyncio.timeout(PATIENCE):
        while await sql.fetchval("select count(*) from pg_stat_activity where wait_event = 'PgSleep'"):
            await asyncio.sleep(0.01)


async def test_a_statement_that_does_not_end_when_it_is_stopped_is_ended_with_its_connection(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(**_: object) -> None:
        """A request to end a statement that arrives before the statement."""

    monkeypatch.setattr(asyncpg.connect_utils, "_cancel", lost)
    monkeypatch.setattr(roads.postgres, "_END_SECONDS", 0.1)
    for function, parameters in (("cost_summary", SUMMARY), ("record_events", RECORDING)):
        await sql.execute(replaced(function, parameters, "100ms", "perform pg_sleep(3600)"))
    async with reached_by("postgres", url, tmp_path) as ada:
        assert_problem(await ada.request("GET", "/api/costs/summary"), 503)
        assert_problem(await ada.track(), 503)
        assert (await ada.request("GET", "/api/budgets")).status_code == 200
        async with asyncio.timeout(PATIENCE):
            while await sql.fetchval("select count(*) from pg_stat_activity where wait_event = 'PgSleep'"):
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("road", ["postgres", "supabase"])
async def test_a_statement_that_another_overtakes_is_repeated(
    road: str, url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    # A sequence goes on, although its transaction is rolled back.
    await sql.execute("create sequence public.tries; grant usage on sequence public.tries to service_role")
    for code, never in (("40P01", "false"), ("40001", "false"), ("40P01", "true")):
        overtaken = (
            f"if {never} or nextval('public.tries') % 3 <> 0 then raise exception using errcode = '{code}'; end if"
        )
        await sql.execute(replaced("record_events", RECORDING, "10s", f"{overtaken}; if true then return '[]'; end if"))
        async with reached_by(road, url, tmp_path) as ada:
            assert (await ada.track()).status_code == (503 if never == "true" else 201)


@pytest.mark.parametrize("road", ["postgres", "supabase"])
async def test_slow_reads_of_one_workspace_leave_connections_for_others(
    road: str, url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    # Only the summary in this time zone takes long: until the lock is released.
    wait = "if p_tz = 'Asia/Tokyo' then perform pg_advisory_xact_lock_shared(1); end if"
    await sql.execute(replaced("cost_summary", SUMMARY, "1h", wait))
    async with reached_by(road, url, tmp_path) as ada:
        bob = await sign_up(ada._client, "Bob")
        await sql.execute("select pg_advisory_lock(1)")
        slow = [asyncio.create_task(ada.request("GET", "/api/costs/summary?tz=Asia/Tokyo")) for _ in range(20)]
        try:
            async with asyncio.timeout(PATIENCE):
                while not await sql.fetchval(
                    "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                ):
                    await asyncio.sleep(0.01)
                assert (await bob.request("GET", "/api/budgets")).status_code == 200
                assert (await bob.track()).status_code == 201
                assert (await ada.track()).status_code == 201
            assert not any(task.done() for task in slow)
        finally:
            await sql.execute("select pg_advisory_unlock(1)")
        await asyncio.gather(*slow)


@pytest.mark.parametrize("road", ["postgres", "supabase"])
async def test_a_statement_that_is_ended_stores_nothing_and_may_be_repeated(
    road: str, url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    async with reached_by(road, url, tmp_path) as ada:
        async with sql.transaction():
            await sql.execute("lock table public.events in access exclusive mode")
            tracking = asyncio.create_task(ada.track(id="call-1"))
            # Postgres reports the same error as for a statement that takes longer than statement_timeout.
            async with asyncio.timeout(PATIENCE):
                while not await sql.fetchval(
                    "select count(pg_cancel_backend(pid)) from pg_locks where not granted"
                    " and database = (select oid from pg_database where datname = current_database())"
                ):
                    await asyncio.sleep(0.01)
            assert_problem(await tracking, 503)
        assert (await ada.track(id="call-1")).status_code == 201
        assert (await ada.get("/api/costs/summary"))["call_count"] == 1


@pytest.mark.parametrize("road", ["postgres", "supabase"])
async def test_a_lock_that_is_not_granted_in_time_is_a_503(
    road: str, url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    for role in ("authenticator", "postgres"):
        await sql.execute(f"alter role {role} in database {urlsplit(url).path[1:]} set lock_timeout = '50ms'")
    async with reached_by(road, url, tmp_path) as ada:
        async with sql.transaction():
            await sql.execute("lock table public.events in access exclusive mode")
            assert_problem(await ada.track(id="call-1"), 503)
        assert (await ada.track(id="call-1")).status_code == 201


# Outages


@pytest.mark.parametrize(
    ("status", "body"),
    [
        # PostgREST: without a connection, without the schema, without a free connection, while Postgres stops, and
        # when it loses the connection between two statements.
        (503, {"code": "PGRST001", "message": "Database client error. Retrying the connection."}),
        (503, {"code": "PGRST002", "message": "Could not query the database for the schema cache. Retrying."}),
        (504, {"code": "PGRST003", "message": "Timed out acquiring connection from connection pool."}),
        (503, {"code": "57P01", "message": "terminating connection due to administrator command"}),
        (400, {"code": "", "message": ""}),
        # The gateway, with and without JSON.
        (502, {"message": "An invalid response was received from the upstream server"}),
        (521, "<html>"),
    ],
    ids=str,
)
async def test_every_sign_of_an_outage_is_unavailable(status: int, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [httpx.Response(200, json=newest_version()), httpx.Response(status, json=body)]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=transport))
    road = await SupabaseRoad.open("http://127.0.0.1:9", SECRET_KEY)
    with pytest.raises(Unavailable):
        await road.call("schema_version", {})
    await road.close()


# Sizes


async def test_answers_of_many_megabytes_pass(supabase: SupabaseServer, tmp_path: Path) -> None:
    text = "x" * 16_000
    settings = settings_for(tmp_path, supabase_url=supabase.url, supabase_key=SECRET_KEY)
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        await asyncio.gather(*(ada.batch(*[call(metadata={"text": text})] * 60) for _ in range(17)))
        exported = await ada.request("GET", "/api/export/events", params={"format": "jsonl"})
        assert exported.text.count(text) == 17 * 60


# Broken connections


@pytest.mark.parametrize("named", [True, False])
async def test_an_event_whose_answer_is_lost_is_stored_once(
    named: bool, supabase: SupabaseServer, tmp_path: Path
) -> None:
    gateway, port = Gateway(supabase.postgrest_port, TOKENS), free_port()
    await gateway.start(port)
    settings = settings_for(tmp_path, supabase_url=f"http://127.0.0.1:{port}", supabase_key=SECRET_KEY)
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        body = {"json": call(id="call-1")} if named else {"json": call(), "headers": {"Idempotency-Key": "call-1"}}
        gateway.loses_answer_of = "record_events"
        assert_problem(await ada.request("POST", "/api/events/track", **body), 503)
        assert gateway.loses_answer_of is None
        assert (await ada.get("/api/costs/summary"))["call_count"] == 1, (
            "it is stored, and LLMLab does not send it again"
        )
        assert (await ada.request("POST", "/api/events/track", **body)).status_code == 200
        assert (await ada.get("/api/costs/summary"))["call_count"] == 1
    gateway.close()
