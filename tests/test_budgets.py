"""Budgets: limits, and how much of the current period is used."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from database import Database
from roads.postgres import PostgresRoad
from schemas.budgets import BudgetIn
from schemas.identities import Identity
from tests.support.team import Member, assert_problem


async def set_budget(member: Member, **budget: Any) -> Any:
    response = await member.request("POST", "/api/budgets", json={"limit": 1, **budget})
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_new_workspace_has_no_budgets(ada: Member) -> None:
    assert await ada.get("/api/budgets") == {"budgets": [], "total_limits": 0, "total_spend": 0}


@pytest.mark.both_roads
async def test_a_budget_shows_what_its_period_spent(ada: Member) -> None:
    await ada.track()
    await ada.track(provider="no-vendor")
    await ada.track(timestamp=(datetime.now(UTC) - timedelta(days=400)).isoformat())
    budget = await set_budget(ada, limit=0.01, name="Everything")
    assert budget["user_id"] == ada.session["user_id"]
    assert budget["name"] == "Everything"
    assert (budget["limit"], budget["current_spend"], budget["reserved"], budget["remaining"]) == (
        0.01,
        0.0075,
        0,
        0.0025,
    )
    assert (budget["percentage_used"], budget["status"], budget["unpriced_calls"]) == (75, "ok", 1)
    assert (budget["period"], budget["scope"], budget["hard"], budget["tz"]) == ("monthly", {}, False, "UTC")
    assert budget["thresholds"] == [50, 80, 100]
    assert await ada.get("/api/budgets") == {"budgets": [budget], "total_limits": 0.01, "total_spend": 0.0075}


@pytest.mark.parametrize(
    ("spent", "status", "percentage"),
    [
        ("0.79", "ok", 79),
        ("0.80", "warning", 80),
        ("0.999999", "warning", 100),
        ("1", "exceeded", 100),
        ("2.5", "exceeded", 250),
    ],
)
async def test_a_budget_warns_at_80_percent_and_is_exceeded_at_100(
    ada: Member, spent: str, status: str, percentage: float
) -> None:
    await ada.track(cost=spent)
    budget = await set_budget(ada)
    assert (budget["status"], budget["percentage_used"]) == (status, percentage)


async def test_setting_a_budget_again_updates_it(ada: Member) -> None:
    first = await set_budget(ada, limit=1)
    again = await set_budget(ada, limit=2, thresholds=[100, 90, 90], hard=True, tz="Asia/Tokyo")
    assert (again["id"], again["created_at"]) == (first["id"], first["created_at"])
    assert (again["limit"], again["thresholds"], again["hard"], again["tz"]) == (2, [90, 100], True, "Asia/Tokyo")
    other = await set_budget(ada, limit=3, period="daily")
    listed = await ada.get("/api/budgets")
    assert [budget["id"] for budget in listed["budgets"]] == [first["id"], other["id"]]
    assert listed["total_limits"] == 5


@pytest.mark.both_roads
async def test_a_deleted_budget_is_not_listed(ada: Member, bob: Member) -> None:
    budget = await set_budget(ada)
    path = f"/api/budgets/{budget['id']}"
    assert_problem(await bob.request("DELETE", path), 404, "Budget not found")
    assert (await ada.request("DELETE", path)).status_code == 204
    assert_problem(await ada.request("DELETE", path), 404, "Budget not found")
    assert_problem(await ada.request("DELETE", f"/api/budgets/{uuid4()}"), 404)


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": "much"},
        {"limit": None},
        {"limit": 1e10},
        {"limit": "0.0000000000001"},
        {"period": "hourly"},
        {"tz": "Mars/Olympus"},
        {"name": ""},
        {"name": "nul\x00"},
        {"thresholds": []},
        {"thresholds": [0]},
        {"thresholds": [-5]},
        {"thresholds": list(range(1, 12))},
        {"scope": {"team": "search"}},
        {"scope": {"tag": "no-value"}},
        {"scope": {"model": "a*b*c*d*e"}},
        {"scope": {"api_key": "mine"}},
        {"period": "custom"},
        {"custom": {"start": "2026-01-01", "days": 7}},
        {"period": "custom", "custom": {"start": "2026-01-01", "days": 0}},
        {"period": "custom", "custom": {"start": "2026-02-30", "days": 7}},
        {"surprise": 1},
    ],
    ids=str,
)
async def test_a_budget_with_bad_input_is_refused(ada: Member, wrong: dict[str, Any]) -> None:
    assert_problem(await ada.request("POST", "/api/budgets", json={"limit": 1, **wrong}), 422)
    assert (await ada.get("/api/budgets"))["budgets"] == []


@pytest.mark.parametrize(
    ("period", "tz", "now", "start", "end"),
    [
        ("daily", "UTC", "2026-03-29T12:00Z", "2026-03-29T00:00Z", "2026-03-30T00:00Z"),
        # The clocks go forward: a day of 23 hours.
        ("daily", "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ("daily", "Asia/Kolkata", "2026-03-29T18:29Z", "2026-03-28T18:30Z", "2026-03-29T18:30Z"),
        # A Sunday belongs to the week that began on Monday.
        ("weekly", "UTC", "2026-03-29T12:00Z", "2026-03-23T00:00Z", "2026-03-30T00:00Z"),
        ("weekly", "Europe/Berlin", "2026-03-29T22:30Z", "2026-03-29T22:00Z", "2026-04-05T22:00Z"),
        ("monthly", "America/New_York", "2026-03-29T12:00Z", "2026-03-01T05:00Z", "2026-04-01T04:00Z"),
        ("monthly", "UTC", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("quarterly", "UTC", "2026-03-29T12:00Z", "2026-01-01T00:00Z", "2026-04-01T00:00Z"),
        ("yearly", "Asia/Tokyo", "2025-12-31T15:00Z", "2025-12-31T15:00Z", "2026-12-31T15:00Z"),
    ],
)
async def test_periods_are_calendar_periods_in_the_time_zone_of_the_budget(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]", period: str, tz: str, now: str, start: str, end: str
) -> None:
    workspace = uuid4()
    await sql.execute("insert into public.workspaces values ($1, 'W', now())", workspace)
    for moment, cost in ((start, 1), (end, 10)):
        before = datetime.fromisoformat(moment) - timedelta(seconds=1)
        for at, amount in ((datetime.fromisoformat(moment), cost), (before, cost * 100)):
            await insert_event(sql, workspace, at, amount)
    await sql.execute("select public.rebuild_rollups($1, '-infinity')", workspace)
    road = await PostgresRoad.open(url)
    budget = await Database(road).budget_set(
        Identity(uuid4(), workspace, frozenset()), uuid4(),
        BudgetIn.model_validate({"limit": 5000, "period": period, "tz": tz}), "B", datetime.fromisoformat(now),
    )  # fmt: skip
    await road.close()
    assert budget.period_start == datetime.fromisoformat(start)
    assert budget.period_end == datetime.fromisoformat(end)
    assert budget.period_start.astimezone(ZoneInfo(tz)).hour == 0
    # The first moment of the period and the last one before its end, and nothing else.
    assert budget.current_spend == 1 + 1000


async def insert_event(sql: "asyncpg.Connection[asyncpg.Record]", workspace: UUID, at: datetime, cost: int) -> None:
    await sql.execute(
        "insert into public.events select $1, gen_random_uuid(), $2, now(), $1, null, 1, 0, 0, 0, 1, 0, $3,"
        " 'caller', 'openai', 'gpt-4o', '', 'success'",
        workspace,
        at,
        cost,
    )
