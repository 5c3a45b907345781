"""Budgets that hold: scopes, reservations that never exceed a limit, one alert per threshold."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

import engines.budgets
from config import Settings
from database import Database
from roads.postgres import PostgresRoad
from schemas.budgets import BudgetIn
from schemas.identities import Identity
from tests.conftest import client_of, running, settings_for
from tests.support.budgets import CENT, CENT_SPENT, last_month, reserve, set_budget, the_budget
from tests.support.product import PATIENCE
from tests.support.team import Caller, Member, assert_problem, call, new_api_key, sign_up
from tests.support.threads import ThreadServer, two_servers


async def spend(admin: Member) -> dict[str, float]:
    """The current spend of each budget, by name."""
    return {budget["name"]: budget["current_spend"] for budget in (await admin.get("/api/budgets"))["budgets"]}


# Scopes


async def test_a_budget_counts_the_calls_of_its_scope(ada: Member) -> None:
    application = await new_api_key(ada)
    await ada.request("POST", "/api/projects", json={"name": "search"})
    for name, scope in {
        "all": {},
        "project": {"project": "search"},
        "provider": {"provider": "Anthropic"},
        "model": {"model": "GPT-4o*"},
        "exact model": {"model": "gpt-4o"},
        "tag": {"tag": "team=a=b"},
        "key": {"api_key": application.id},
        "several": {"project": "search", "model": "gpt-4o", "tag": "team=a=b"},
    }.items():
        made = await set_budget(ada, name=name, scope=scope)
        assert made["scope"].get("project") == scope.get("project")
    await ada.track(**CENT_SPENT)
    await ada.track(**CENT_SPENT, project="search")
    await ada.track(**CENT_SPENT, project="search", tags={"team": "a=b"})
    await ada.track(**CENT_SPENT, tags={"team": "b"})
    await ada.track(**{**CENT_SPENT, "model": "gpt-4o-mini"}, cost="0.01")
    await application.track(**CENT_SPENT)
    await ada.track(**{**CENT_SPENT, "provider": "anthropic", "model": "claude-sonnet-4-5"}, cost="0.01")
    assert await spend(ada) == {
        "all": 0.07, "project": 0.02, "provider": 0.01, "model": 0.06, "exact model": 0.05, "tag": 0.01, "key": 0.01,
        "several": 0.01,
    }  # fmt: skip


async def test_scopes_are_distinct_and_follow_a_renamed_project(ada: Member, bob: Member) -> None:
    await ada.request("POST", "/api/projects", json={"name": "search"})
    (project,) = (await ada.get("/api/projects"))["projects"]
    first = await set_budget(ada, scope={"project": "search"})
    assert (await set_budget(ada, scope={"project": project["id"]}))["id"] == first["id"]
    assert (await set_budget(ada))["id"] != first["id"]
    await ada.request("PATCH", f"/api/projects/{project['id']}", json={"name": "discovery"})
    await ada.track(**CENT_SPENT, project="discovery")
    assert [(b["scope"], b["current_spend"]) for b in (await ada.get("/api/budgets"))["budgets"]] == [
        ({"project": "discovery"}, 0.01),
        ({}, 0.01),
    ]
    nowhere = {"limit": 1, "scope": {"project": "nowhere"}}
    assert_problem(await ada.request("POST", "/api/budgets", json=nowhere), 404, "Project not found")
    theirs = {"limit": 1, "scope": {"api_key": (await new_api_key(bob)).id}}
    assert_problem(await ada.request("POST", "/api/budgets", json=theirs), 404, "API key not found")


@pytest.mark.both_roads
async def test_the_wildcards_of_like_are_literal(ada: Member) -> None:
    for name, model in {"percent": "a%b", "underscore": "a_b", "backslash": "a\\b", "star": "a*b"}.items():
        await set_budget(ada, name=name, scope={"model": model})
    for model in ("a%b", "a_b", "a\\b", "axb", "A_B"):
        await ada.track(**{**CENT_SPENT, "model": model}, cost="0.01")
    assert await spend(ada) == {"percent": 0.01, "underscore": 0.02, "backslash": 0.01, "star": 0.05}


@pytest.mark.parametrize(
    ("start", "days", "tz", "at", "begins", "ends"),
    [
        ("2026-01-05", 14, "UTC", "2026-01-18T23:59:59Z", "2026-01-05", "2026-01-19"),
        ("2026-01-05", 14, "UTC", "2026-01-19T00:00:00Z", "2026-01-19", "2026-02-02"),
        ("2026-01-05", 14, "UTC", "2026-01-04T12:00:00Z", "2025-12-22", "2026-01-05"),
        # Through the change to summer time on 29 March, one of the days has 23 hours.
        ("2026-03-25", 7, "Europe/Berlin", "2026-03-31T21:59:59Z", "2026-03-25", "2026-04-01"),
        ("2026-03-25", 7, "Europe/Berlin", "2026-03-31T22:00:00Z", "2026-04-01", "2026-04-08"),
        ("2024-02-29", 365, "America/New_York", "2026-07-01T00:00:00Z", "2026-02-28", "2027-02-28"),
    ],
)
async def test_a_custom_period_repeats_from_its_start(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", start: str, days: int, tz: str, at: str, begins: str, ends: str
) -> None:
    workspace = uuid4()
    await sql.execute("insert into public.workspaces values ($1, 'W', now())", workspace)
    wanted = {"limit": 1, "period": "custom", "custom": {"start": start, "days": days}, "tz": tz}
    road = await PostgresRoad.open(url)
    budget = await Database(road).budget_set(
        Identity(uuid4(), workspace, frozenset()), uuid4(), BudgetIn.model_validate(wanted), "B",
        datetime.fromisoformat(at),
    )  # fmt: skip
    await road.close()

    def midnight(day: str) -> datetime:
        return datetime.combine(date.fromisoformat(day), datetime.min.time(), ZoneInfo(tz))

    assert (budget.period_start, budget.period_end) == (midnight(begins), midnight(ends))


@pytest.mark.parametrize("seed", range(4))
async def test_the_counters_always_equal_a_recount(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        application = await new_api_key(ada)
        for name in "pq":
            await ada.request("POST", "/api/projects", json={"name": name})
        boundaries = [datetime(2026, 3, day, hour, tzinfo=UTC) for day in (1, 2, 29, 30) for hour in (0, 22, 23)]

        def event() -> dict[str, Any]:
            moment = chance.choice(boundaries) + timedelta(microseconds=chance.choice([-1, 0, 1, 10**9]))
            return call(
                id=str(chance.randrange(200)),
                provider=chance.choice(["openai", "anthropic"]),
                model=chance.choice(["gpt-4o", "gpt-4o-mini", "no-such-model"]),
                input_tokens=chance.randrange(10**6),
                project=chance.choice(["p", "q", None]),
                tags=chance.choice([{}, {"t": "a"}, {"t": "b", "u": "a"}]),
                timestamp=moment.isoformat(),
            )

        def budget() -> dict[str, Any]:
            period = chance.choice(["daily", "weekly", "monthly", "quarterly", "yearly", "custom"])
            parts = {"project": "p", "provider": "openai", "model": "gpt*", "tag": "t=a", "api_key": application.id}
            return {
                "limit": chance.choice([1, 100]),
                "period": period,
                "custom": {"start": "2026-01-31", "days": 10} if period == "custom" else None,
                "tz": chance.choice(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
                "scope": {part: parts[part] for part in chance.sample(sorted(parts), chance.randrange(3))},
            }

        for _ in range(25):
            action = chance.randrange(4)
            if action == 0:
                assert (await ada.request("POST", "/api/budgets", json=budget())).status_code == 201
            elif action == 1 and (budgets := (await ada.get("/api/budgets"))["budgets"]) and chance.random() < 0.2:
                await ada.request("DELETE", f"/api/budgets/{chance.choice(budgets)['id']}")
            else:
                sender: Caller = chance.choice([ada, application])
                await sender.batch(*[event() for _ in range(chance.randrange(1, 20))])
        assert await sql.fetchval("select count(*) from public.budget_periods") > 0
        differences = "select public.rollup_differences($1, '-infinity')"
        assert await sql.fetchval(differences, ada.session["workspace_id"]) == 0


# Reservations


@pytest.mark.both_roads
async def test_a_reservation_holds_until_it_is_settled_or_released(ada: Member) -> None:
    await set_budget(ada, hard=True)
    assert await the_budget(ada) == (0, 0, 1)
    held = await reserve(ada)
    assert held.status_code == 201
    assert held.json()["estimated_cost"] == 0.01
    other = (await reserve(ada)).json()
    assert await the_budget(ada) == (0, 0.02, 0.98)
    # The call was cheaper than the reservation.
    settled = await ada.track(**call(input_tokens=1000, output_tokens=0), reservation_id=held.json()["id"])
    assert settled.status_code == 201
    assert await the_budget(ada) == (0.0025, 0.01, 0.9875)
    path = f"/api/budgets/reservations/{other['id']}"
    assert (await ada.request("DELETE", path)).status_code == 204
    assert await the_budget(ada) == (0.0025, 0, 0.9975)
    for gone in (path, f"/api/budgets/reservations/{held.json()['id']}"):
        assert_problem(await ada.request("DELETE", gone), 404, "Reservation not found")


async def test_a_batch_settles_too_and_an_event_sent_again_does_not(ada: Member) -> None:
    await set_budget(ada, hard=True)
    first, second = [(await reserve(ada)).json()["id"] for _ in range(2)]
    await ada.batch({**CENT_SPENT, "id": "x", "reservation_id": first})
    assert await the_budget(ada) == (0.01, 0.01, 0.98)
    await ada.batch({**CENT_SPENT, "id": "x", "reservation_id": second})
    assert await the_budget(ada) == (0.01, 0.01, 0.98)
    # An unknown or expired reservation has no effect.
    assert (await ada.track(**CENT_SPENT, reservation_id=str(uuid4()))).status_code == 201


@pytest.mark.both_roads
async def test_a_refused_reservation_names_the_budget(ada: Member, bob: Member) -> None:
    await set_budget(ada, limit=5, hard=True, name="wide")
    narrow = await set_budget(ada, limit="0.015", hard=True, name="narrow", scope={"model": "gpt-4o*"})
    await set_budget(ada, limit="0.001", name="soft", period="daily")
    assert (await reserve(ada)).status_code == 201
    refused = assert_problem(await reserve(ada), 402)
    assert (refused["budget_id"], refused["budget"], refused["remaining"]) == (narrow["id"], "narrow", 0.005)
    assert refused["detail"].startswith("The budget 'narrow' has $0.005 left until ")
    # All or nothing: the wider budget has no new reservation.
    assert {b["name"]: b["reserved"] for b in (await ada.get("/api/budgets"))["budgets"]} == {
        "wide": 0.01, "narrow": 0.01, "soft": 0,
    }  # fmt: skip
    checked = await ada.request("POST", "/api/budgets/check", json=CENT)
    assert checked.json()["allowed"] is False
    assert checked.json()["reason"] == "budget"
    assert checked.json()["tightest_budget"]["name"] == "soft"
    assert (await reserve(ada, model="gpt-4o", input_tokens=1000)).status_code == 201
    assert (await reserve(ada, provider="anthropic", model="claude-sonnet-4-5")).status_code == 201
    assert (await reserve(bob)).status_code == 201


async def test_a_check_estimates_the_cost_of_a_call(ada: Member) -> None:
    free = (await ada.request("POST", "/api/budgets/check", json=CENT)).json()
    assert (free["allowed"], free["estimated_cost"], free["tightest_budget"]) == (True, 0.01, None)
    # A million tokens from an unlisted model: charged as the most expensive of the provider.
    unlisted = {"provider": "openai", "model": "no-such-model", "input_tokens": 0, "max_output_tokens": 1_000_000}
    answer = (await ada.request("POST", "/api/budgets/check", json=unlisted)).json()
    assert answer["pricing"].startswith("dearest:genai-prices@")
    assert answer["estimated_cost"] >= 600
    unknown = (await ada.request("POST", "/api/budgets/check", json={**unlisted, "provider": "no-vendor"})).json()
    assert (unknown["allowed"], unknown["estimated_cost"], unknown["pricing"]) == (True, None, "unpriced")


async def test_an_application_reserves_within_its_own_budget(ada: Member) -> None:
    application, other = await new_api_key(ada), await new_api_key(ada)
    await set_budget(ada, limit="0.01", hard=True, scope={"api_key": application.id})
    assert (await reserve(application)).status_code == 201
    assert_problem(await reserve(application), 402)
    assert (await reserve(other)).status_code == 201
    reader = await new_api_key(ada, scopes=["read"])
    assert_problem(await reserve(reader), 403)


async def test_reservations_of_crashed_callers_expire(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    at = last_month()
    monkeypatch.setattr(engines.budgets, "now", lambda: at)
    await set_budget(ada, limit="0.5", hard=True)
    held = await asyncio.gather(*[reserve(ada, seconds=5) for _ in range(50)])
    assert {response.status_code for response in held} == {201}
    assert_problem(await reserve(ada), 402)
    assert await the_budget(ada) == (0, 0.5, 0)
    at += timedelta(seconds=5)
    assert await the_budget(ada) == (0, 0, 0.5)
    assert (await reserve(ada)).status_code == 201
    # Late calls are counted as well.
    await ada.track(**CENT_SPENT, reservation_id=held[0].json()["id"], timestamp=at.isoformat())
    assert await the_budget(ada) == (0.01, 0.01, 0.48)


@pytest.fixture
def pair(url: str, tmp_path: Path, quick_passwords: None) -> Iterator[tuple[ThreadServer, ThreadServer]]:
    """Two running servers over one database."""
    with two_servers(settings_for(tmp_path, database_url=url)) as servers:
        yield servers


async def test_200_concurrent_reservations_on_two_servers_stay_within_the_limit(
    pair: tuple[ThreadServer, ThreadServer],
) -> None:
    one, other = pair

    async def admitted(ada: Member, twin: Member) -> int:
        answers = await asyncio.gather(*[reserve((ada, twin)[number % 2]) for number in range(200)])
        assert {answer.status_code for answer in answers} <= {201, 402}
        return sum(answer.status_code == 201 for answer in answers)

    limits = httpx.Limits(max_connections=100)
    async with (
        httpx.AsyncClient(base_url=one.url, timeout=PATIENCE, limits=limits) as here,
        httpx.AsyncClient(base_url=other.url, timeout=PATIENCE, limits=limits) as there,
    ):
        ada = await sign_up(here, "Ada")
        await set_budget(ada, limit="1.00", hard=True)
        assert await admitted(ada, Member(there, ada.session, ada.email)) == 100
        for server in (one, other):
            server.stop()
        for server in (one, other):
            server.start()
    async with httpx.AsyncClient(base_url=one.url, timeout=PATIENCE) as here:
        again = Member(here, ada.session, ada.email)
        assert await the_budget(again) == (0, 1, 0)
        assert_problem(await reserve(again), 402)


# Alerts


async def alerts(admin: Member) -> list[tuple[str, float]]:
    """The subject and threshold of each alert, oldest first."""
    found = (await admin.get("/api/alerts"))["alerts"]
    return [(alert["subject"], alert["threshold"]) for alert in reversed(found)]


@pytest.mark.both_roads
async def test_crossing_a_threshold_creates_one_alert(ada: Member) -> None:
    budget = await set_budget(ada, limit="0.1", name="Small")
    for _ in range(12):
        await ada.track(**CENT_SPENT)
    assert await alerts(ada) == [("Small", 50), ("Small", 80), ("Small", 100)]
    newest = (await ada.get("/api/alerts", limit=1))["alerts"][0]
    assert (newest["kind"], newest["budget_id"], newest["spend"]) == ("budget", budget["id"], 0.1)


async def test_a_late_event_counts_in_its_own_period(ada: Member) -> None:
    await set_budget(ada, limit="0.02", period="daily", thresholds=[100], name="Day")
    for day in (3, 5, 3):
        await ada.track(**CENT_SPENT, timestamp=f"2026-01-{day:02}T12:00:00Z")
    (alert,) = (await ada.get("/api/alerts"))["alerts"]
    assert alert["period_start"] == "2026-01-03T00:00:00Z"


async def test_a_budget_that_is_already_exceeded_creates_alerts_immediately(ada: Member) -> None:
    await ada.track(**CENT_SPENT)
    await set_budget(ada, limit="0.0125", name="Late")
    await set_budget(ada, limit="0.0125", name="Late")
    assert sorted(threshold for _, threshold in await alerts(ada)) == [50, 80]


async def test_a_model_without_a_price_creates_one_alert(ada: Member) -> None:
    for _ in range(3):
        await ada.track(model="no-such-model")
    await ada.batch(call(model="no-such-model"), call(provider="no-vendor"), call())
    found = (await ada.get("/api/alerts"))["alerts"]
    assert sorted((alert["kind"], alert["subject"]) for alert in found) == [
        ("unpriced_model", "no-vendor/gpt-4o"),
        ("unpriced_model", "openai/no-such-model"),
    ]


async def test_eight_concurrent_writers_create_exactly_three_alerts(
    url: str, tmp_path: Path, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as one, running(settings) as other, client_of(one) as here, client_of(other) as there:
        ada = await sign_up(here, "Ada")
        await set_budget(ada, limit=1)
        senders = [ada, Member(there, ada.session, ada.email)]

        async def write(number: int) -> None:
            for _ in range(15):
                await senders[number % 2].track(**CENT_SPENT)

        await asyncio.gather(*[write(number) for number in range(8)])
        assert sorted(threshold for _, threshold in await alerts(ada)) == [50, 80, 100]
        spends = await sql.fetch("select threshold, spend from public.alerts order by threshold")
        assert all(Decimal(row["spend"]) >= row["threshold"] / 100 for row in spends)


async def test_alerts_come_page_by_page(ada: Member, bob: Member, settings: Settings) -> None:
    await set_budget(ada, limit="0.01", thresholds=[10, 20, 30, 40, 50])
    await ada.track(**CENT_SPENT)
    first = await ada.get("/api/alerts", limit=3)
    second = await ada.get("/api/alerts", limit=3, cursor=first["next_cursor"])
    assert (first["count"], second["count"], second["next_cursor"]) == (3, 2, None)
    assert len({alert["id"] for alert in first["alerts"] + second["alerts"]}) == 5
    assert (await bob.get("/api/alerts"))["alerts"] == []
