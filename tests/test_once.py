"""Events are stored exactly once: under concurrency, and when the server is killed."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import httpx
import pytest

from maintenance import check_rollups
from tests.conftest import client_of, running, settings_for
from tests.support.events import recount, varied
from tests.support.product import PATIENCE, ROOT, Server, environment, postgres_processes
from tests.support.team import Member, sign_up


async def test_thirty_two_clients_send_two_thousand_events_a_third_of_them_twice(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    numbers = list(range(2000)) + list(range(0, 2000, 3))
    random.Random(1).shuffle(numbers)
    settings = settings_for(tmp_path, database_url=url)
    # Two applications over one database, as two worker processes would be.
    async with (
        running(settings) as one,
        running(settings) as other,
        client_of(one) as client,
        client_of(other) as second,
    ):
        ada = await sign_up(client, "Ada")
        twin = Member(second, ada.session, ada.email)
        for period in ("daily", "weekly", "monthly", "yearly"):
            budget = {"limit": 1, "period": period, "tz": "Asia/Kolkata"}
            assert (await ada.request("POST", "/api/budgets", json=budget)).status_code == 201

        async def change_budgets() -> None:
            for tz in ("Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "UTC", "Asia/Kathmandu"):
                await asyncio.sleep(0.1)
                await ada.request("POST", "/api/budgets", json={"limit": 2, "period": "daily", "tz": tz})

        async def send(start: int) -> list[int]:
            mine = numbers[start::32]
            sender = (ada, twin)[start % 2]
            if start % 4 < 2:
                return [(await sender.track(**varied(number))).status_code for number in mine]
            result = await sender.batch(*[varied(number) for number in mine])
            assert result["rejected"] == []
            return [201] * result["recorded"] + [200] * result["duplicates"]

        changing = asyncio.create_task(change_budgets())
        answers = [status for part in await asyncio.gather(*[send(start) for start in range(32)]) for status in part]
        await changing
        assert (answers.count(201), answers.count(200)) == (2000, 667)
        events, cost = await recount(sql, ada.session["workspace_id"])
        assert events == 2000
        summary = await ada.get("/api/costs/summary", start="2026-01-01", end="2026-01-31")
        assert (summary["call_count"], summary["total_cost"]) == (2000, float(cost))
    deadlocks = await sql.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
    assert deadlocks == 0


async def test_rollups_are_rebuilt_from_the_events(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada, bob = await sign_up(client, "Ada"), await sign_up(client, "Bob")
        await ada.batch(*[varied(number) for number in range(500)])
        await bob.batch(*[varied(number) for number in range(10)])
        mine = ada.session["workspace_id"]
        await sql.execute("update public.spend_hourly set cost = cost + 1 where workspace_id = $1", mine)
        await sql.execute("delete from public.spend_by_tag where workspace_id = $1", mine)
        assert (await ada.request("POST", "/api/budgets", json={"limit": 1})).status_code == 201
        await sql.execute("update public.budget_periods set spend = 0 where workspace_id = $1", mine)
        database = app.state.engines.costs._database
        since = await sql.fetchval("select timestamptz '2000-01-01 00:00Z'")
        assert await database.rollup_differences(mine, since) > 100
        await database.rebuild_rollups(mine, since)
        assert await database.rollup_differences(mine, since) == 0
        assert (await recount(sql, mine))[0] == 500
        await sql.execute("update public.spend_hourly set calls = calls + 1 where workspace_id = $1", mine)
        settings = settings_for(tmp_path, database_url=url)
        assert not await check_rollups(settings, rebuild=False)
        assert await check_rollups(settings, rebuild=True)
        assert await check_rollups(settings, rebuild=False)
        assert (await recount(sql, bob.session["workspace_id"]))[0] == 10


@pytest.mark.long
async def test_a_server_killed_under_load_loses_nothing_it_acknowledged(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    server = servers[0]
    acknowledged: set[int] = set()
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        ada = await sign_up(client, "Ada")

        async def send(start: int) -> None:
            for number in range(start, 100_000, 16):
                try:
                    if (await ada.track(**varied(number))).status_code == 201:
                        acknowledged.add(number)
                except httpx.TransportError:
                    return

        senders = [asyncio.create_task(send(start)) for start in range(16)]
        while len(acknowledged) < 500:
            await asyncio.sleep(0.01)
        server.stop(signal.SIGKILL)
        await asyncio.gather(*senders)

    server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        again = Member(client, ada.session, ada.email)
        stored = (await again.get("/api/costs/summary", start="2026-01-01", end="2026-01-31"))["call_count"]
        # A write in progress when the server died may be stored unacknowledged; sending it again is safe.
        assert len(acknowledged) <= stored <= len(acknowledged) + 16
        for number in sorted(acknowledged):
            assert (await again.request("GET", f"/api/events/call-{number}")).status_code == 200
        resent = await again.batch(*[varied(number) for number in sorted(acknowledged)[:1000]])
        assert resent["recorded"] == 0
    sql = await asyncpg.connect(server.database)
    assert (await recount(sql, ada.session["workspace_id"]))[0] == stored
    await sql.close()
    server.stop()
    assert postgres_processes(tmp_path / "data") == []


async def test_a_second_server_shares_the_data_and_the_last_one_stops_it(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    server, second = servers
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        ada = await sign_up(client, "Ada")
        await ada.track()
    second.start()
    server.stop()
    assert len(postgres_processes(tmp_path / "data")) == 1
    async with httpx.AsyncClient(base_url=second.url, timeout=PATIENCE) as client:
        assert (await Member(client, ada.session, ada.email).get("/api/costs/summary"))["call_count"] == 1
    second.stop(signal.SIGTERM)
    assert postgres_processes(tmp_path / "data") == []


def test_a_server_that_cannot_start_prints_the_reason(tmp_path: Path) -> None:
    for settings, said in (
        ({"DATABASE_URL": "postgresql://postgres@127.0.0.1:9/x"}, "Cannot start: SECRET_KEY is required"),
        (
            {"DATABASE_URL": "postgresql://postgres@127.0.0.1:9/x", "SECRET_KEY": "x" * 32},
            "Cannot start: The database at DATABASE_URL cannot be used",
        ),
    ):
        result = subprocess.run(
            [sys.executable, ROOT / "main.py"],
            cwd=tmp_path,
            env=environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert result.returncode == 1
        assert result.stderr.startswith(said)
        assert "Traceback" not in result.stderr
