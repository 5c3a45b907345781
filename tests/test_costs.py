"""What was spent: totals from the rollups, in any time zone."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import asyncpg
import pytest

from tests.conftest import client_of, running, settings_for
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer
from tests.support.team import Member, assert_problem, call, sign_up

JANUARY = {"start": "2026-01-01", "end": "2026-01-31"}


@pytest.fixture
async def spent(ada: Member, bob: Member) -> Member:
    """Ada, with five calls in January 2026; Bob has one too."""
    await ada.batch(
        call(timestamp="2026-01-10T23:30:00Z", project="search", tags={"team": "a"}),
        call(timestamp="2026-01-11T00:30:00Z", project="search", tags={"team": "b"}),
        call(timestamp="2026-01-11T12:00:00Z", model="gpt-4o-mini", tags={"team": "a"}),
        call(timestamp="2026-01-12T12:00:00Z", provider="anthropic", model="claude-sonnet-4-5", status="timeout"),
        call(timestamp="2026-01-12T13:00:00Z", provider="no-vendor", model="mystery"),
    )
    await bob.batch(call(timestamp="2026-01-11T12:00:00Z"))
    return ada


@pytest.mark.both_roads
async def test_a_new_workspace_has_spent_nothing(ada: Member) -> None:
    summary = await ada.get("/api/costs/summary")
    assert summary["total_cost"] == 0
    assert summary["call_count"] == 0
    assert summary["average_cost_per_call"] == 0
    assert summary["unpriced_calls"] == 0
    assert summary["by_model"] == []
    assert len(summary["by_date"]) == 30
    assert summary["by_date"][-1]["date"] == datetime.now(UTC).date().isoformat()


@pytest.mark.both_roads
async def test_a_summary_adds_up(spent: Member) -> None:
    summary = await spent.get("/api/costs/summary", **JANUARY)
    # 2 x 0.0075 + (1,000 x 0.15 + 500 x 0.60) / 1e6 + (1,000 x 3 + 500 x 15) / 1e6
    assert summary["total_cost"] == 0.02595
    assert summary["call_count"] == 5
    assert summary["unpriced_calls"] == 1
    assert summary["average_cost_per_call"] == 0.0064875
    assert (summary["date_range_start"], summary["date_range_end"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    columns = ("model", "provider", "total_calls", "total_tokens", "total_cost")
    assert [tuple(row[column] for column in columns) for row in summary["by_model"]] == [
        ("gpt-4o", "openai", 2, 3000, 0.015),
        ("claude-sonnet-4-5", "anthropic", 1, 1500, 0.0105),
        ("gpt-4o-mini", "openai", 1, 1500, 0.00045),
        ("mystery", "no-vendor", 1, 1500, 0),
    ]
    days = {row["date"]: (row["total_cost"], row["call_count"], row["unpriced_calls"]) for row in summary["by_date"]}
    assert len(days) == 31
    assert days["2026-01-10"] == (0.0075, 1, 0)
    assert days["2026-01-11"] == (0.00795, 2, 0)
    assert days["2026-01-12"] == (0.0105, 2, 1)
    assert days["2026-01-13"] == (0, 0, 0)


async def test_days_are_in_the_requested_time_zone(spent: Member) -> None:
    berlin = await spent.get("/api/costs/summary", **JANUARY, tz="Europe/Berlin")
    days = {row["date"]: row["call_count"] for row in berlin["by_date"]}
    assert (days["2026-01-10"], days["2026-01-11"]) == (0, 3)
    assert berlin["date_range_start"] == "2025-12-31T23:00:00Z"
    angeles = await spent.get("/api/costs/summary", **JANUARY, tz="America/Los_Angeles")
    days = {row["date"]: row["call_count"] for row in angeles["by_date"]}
    assert (days["2026-01-10"], days["2026-01-11"]) == (2, 1)


async def test_a_midnight_within_an_hour_splits_it_exactly(ada: Member) -> None:
    # Midnight is at 18:30 UTC in Kolkata and at 18:15 UTC in Kathmandu.
    await ada.batch(*[call(timestamp=f"2026-03-05T18:{minute}:00Z") for minute in ("00", "14", "15", "29", "30", "59")])
    for tz, before, after in (("Asia/Kolkata", 4, 2), ("Asia/Kathmandu", 2, 4), ("UTC", 6, 0)):
        summary = await ada.get("/api/costs/summary", start="2026-03-05", end="2026-03-06", tz=tz)
        assert [row["call_count"] for row in summary["by_date"]] == [before, after], tz
        total = await ada.get("/api/costs/summary", start="2026-03-05", end="2026-03-05", tz=tz)
        assert total["call_count"] == before, tz


async def test_a_day_of_23_or_25_hours_is_one_day(ada: Member) -> None:
    hours = [datetime(2026, 3, 28, 23, tzinfo=UTC) + timedelta(hours=hour) for hour in range(48)]
    await ada.batch(*[call(timestamp=hour.isoformat()) for hour in hours])
    summary = await ada.get("/api/costs/summary", start="2026-03-29", end="2026-03-29", tz="Europe/Berlin")
    assert (summary["call_count"], len(summary["by_date"])) == (23, 1)


async def test_a_range_is_widened_to_full_hours_and_the_answer_shows_it(spent: Member) -> None:
    summary = await spent.get("/api/costs/summary", start="2026-01-10T23:59:00Z", end="2026-01-11T00:01:00Z")
    assert (summary["date_range_start"], summary["date_range_end"]) == ("2026-01-10T23:00:00Z", "2026-01-11T01:00:00Z")
    assert summary["call_count"] == 2
    unescaped = await spent.request(
        "GET", "/api/costs/summary?start=2026-01-11T00:30:00+01:00&end=2026-01-11T02:00:00+01:00"
    )
    assert unescaped.json()["call_count"] == 2


async def test_costs_by_provider(spent: Member) -> None:
    answer = await spent.get("/api/costs/by-provider", **JANUARY)
    assert answer["date_range"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    openai, anthropic, unknown = answer["provider_costs"]
    assert openai == {
        "provider": "openai",
        "total_cost": 0.01545,
        "call_count": 3,
        "unpriced_calls": 0,
        "models": {
            "gpt-4o": {"cost": 0.015, "calls": 2, "unpriced_calls": 0},
            "gpt-4o-mini": {"cost": 0.00045, "calls": 1, "unpriced_calls": 0},
        },
    }
    assert (anthropic["provider"], unknown["unpriced_calls"]) == ("anthropic", 1)


async def test_the_most_expensive_models(spent: Member) -> None:
    answer = await spent.get("/api/costs/top-models", **JANUARY, limit=2)
    assert answer["count"] == 2
    assert [row["model"] for row in answer["models"]] == ["gpt-4o", "claude-sonnet-4-5"]
    assert_problem(await spent.request("GET", "/api/costs/top-models", params={"limit": 101}), 422)


async def test_costs_by_project_and_by_tag(spent: Member) -> None:
    projects = (await spent.get("/api/costs/by-project", **JANUARY))["project_costs"]
    assert [(row["project"], row["total_cost"], row["call_count"]) for row in projects] == [
        ("search", 0.015, 2),
        (None, 0.01095, 3),
    ]
    tags = await spent.get("/api/costs/by-tag", **JANUARY, key="team")
    assert [(row["value"], row["total_cost"], row["total_tokens"]) for row in tags["tag_costs"]] == [
        ("a", 0.00795, 3000),
        ("b", 0.0075, 1500),
    ]
    assert (await spent.get("/api/costs/by-tag", **JANUARY, key="nothing"))["tag_costs"] == []


async def test_a_timeseries_by_every_step(spent: Member) -> None:
    for bucket, count, first in (
        ("day", 31, "2026-01-01T00:00:00Z"),
        ("week", 5, "2025-12-29T00:00:00Z"),
        ("month", 1, "2026-01-01T00:00:00Z"),
    ):
        series = await spent.get("/api/costs/timeseries", **JANUARY, bucket=bucket)
        assert len(series["points"]) == count
        assert series["points"][0]["start"] == first
        assert sum(point["call_count"] for point in series["points"]) == 5
        assert all(point["split"] == [] for point in series["points"])
    hours = await spent.get(
        "/api/costs/timeseries", start="2026-01-11", end="2026-01-11", bucket="hour", tz="Asia/Kolkata"
    )
    assert len(hours["points"]) == 25
    assert hours["points"][0]["start"] == "2026-01-10T18:00:00Z"
    assert_problem(await spent.request("GET", "/api/costs/timeseries", params={"days": 40, "bucket": "hour"}), 422)


@pytest.mark.both_roads
async def test_a_timeseries_is_split(spent: Member) -> None:
    series = await spent.get("/api/costs/timeseries", start="2026-01-11", end="2026-01-12", by="model")
    eleventh, twelfth = series["points"]
    assert [(part["name"], part["total_cost"]) for part in eleventh["split"]] == [
        ("gpt-4o", 0.0075),
        ("gpt-4o-mini", 0.00045),
    ]
    assert [(part["name"], part["unpriced_calls"]) for part in twelfth["split"]] == [
        ("claude-sonnet-4-5", 0),
        ("mystery", 1),
    ]
    projects = await spent.get("/api/costs/timeseries", start="2026-01-11", end="2026-01-11", by="project")
    assert [part["name"] for part in projects["points"][0]["split"]] == ["search", None]


async def test_a_timeseries_is_split_by_a_tag(spent: Member) -> None:
    assert (await spent.get("/api/costs/tag-keys"))["keys"] == ["team"]
    series = await spent.get("/api/costs/timeseries", **JANUARY, by="tag", key="team", bucket="month")
    (month,) = series["points"]
    assert month["split"] == series["split"]
    whole = await spent.get("/api/costs/timeseries", **JANUARY)
    totals = ("total_cost", "call_count", "total_tokens", "unpriced_calls")
    assert [series[name] for name in totals] == [whole[name] for name in totals]
    named = [(part["name"], part["total_cost"], part["total_tokens"]) for part in series["split"] if part["name"]]
    assert named == [("a", 0.00795, 3000), ("b", 0.0075, 1500)]
    (rest,) = [part for part in series["split"] if part["name"] is None]
    assert not rest["others"]
    assert [round(sum(part[name] for part in series["split"]), 9) for name in totals] == [
        whole[name] for name in totals
    ]
    for params in ({"by": "tag"}, {"key": "team"}, {"by": "tag", "key": "team", "model": "gpt-4o"}):
        assert_problem(await spent.request("GET", "/api/costs/timeseries", params=params), 422)


async def test_a_timeseries_is_filtered(spent: Member) -> None:
    days = {"start": "2026-01-11", "end": "2026-01-12"}
    for filters, names in (
        ({"model": "gpt-4o"}, ["gpt-4o"]),
        ({"project": "search"}, ["gpt-4o"]),
        ({"provider": "openai"}, ["gpt-4o", "gpt-4o-mini"]),
        ({"project": "no-such-project"}, []),
    ):
        series = await spent.get("/api/costs/timeseries", **days, by="model", **filters)
        assert [part["name"] for part in series["split"]] == names
        assert series["call_count"] == len(names)


async def test_groups_beyond_the_limit_are_combined(spent: Member) -> None:
    series = await spent.get("/api/costs/timeseries", **JANUARY, by="model", limit=1)
    every = await spent.get("/api/costs/timeseries", **JANUARY, by="model")
    first, others = series["split"]
    assert first == every["split"][0]
    assert (others["name"], others["others"]) == (None, True)
    assert others["call_count"] == every["call_count"] - first["call_count"]
    assert others["total_cost"] == pytest.approx(every["total_cost"] - first["total_cost"], abs=1e-12)
    for point, whole in zip(series["points"], every["points"], strict=True):
        assert point["total_cost"] == whole["total_cost"]
        assert sum(part["call_count"] for part in point["split"]) == whole["call_count"]


async def test_one_workspace_never_sees_anothers_costs(spent: Member, bob: Member) -> None:
    assert (await bob.get("/api/costs/summary", **JANUARY))["call_count"] == 1
    assert (await bob.get("/api/costs/by-tag", **JANUARY, key="team"))["tag_costs"] == []


@pytest.mark.both_roads
async def test_thousands_of_rows_are_returned(ada: Member) -> None:
    for batch in range(2):
        await ada.batch(*[call(model=f"model-{batch}-{number}", cost=0.01) for number in range(750)])
    summary = await ada.get("/api/costs/summary")
    assert (len(summary["by_model"]), summary["total_cost"]) == (1500, 15)


async def test_both_roads_return_the_same_digits(url: str, supabase: SupabaseServer, tmp_path: Path) -> None:
    answers = []
    for settings in (
        settings_for(tmp_path, database_url=url),
        settings_for(tmp_path, supabase_url=supabase.url, supabase_key=SECRET_KEY),
    ):
        async with running(settings) as app, client_of(app) as client:
            member = await sign_up(client, "Ada")
            await member.batch(
                call(cost="1234567.123456789012", timestamp="2026-01-10T10:00:00Z"),
                call(cost="0.000000000001", timestamp="2026-01-10T10:00:00Z"),
                call(cost="7654321.987654321098", timestamp="2026-01-11T10:00:00Z", latency_ms=0.1),
            )
            summary = await member.request("GET", "/api/costs/summary", params=JANUARY)
            answers.append(summary.content)
    assert b'"total_cost":8888889.111111110111,' in answers[0]
    assert answers[0] == answers[1]


async def test_a_bucket_begins_at_midnight_in_every_time_zone(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    midnights = set()
    for zone in sorted(available_timezones() - {"localtime", "Factory"}):
        tz = ZoneInfo(zone)
        midnights |= {
            datetime.combine(date(2018, 1, 1) + timedelta(weeks=week), datetime.min.time(), tz).astimezone(UTC)
            for week in range(0, 600, 3)
        }
    wrong = await sql.fetch(
        "select t from unnest($1::timestamptz[]) as t where llmlab_private.spend_bucket(t) <> t", list(midnights)
    )
    assert wrong == []


async def test_a_bucket_begins_within_the_hour_of_its_times(
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    wrong = await sql.fetchval(
        "select count(*) from generate_series(timestamptz '1999-12-31 00:00Z', '2000-01-03 00:00Z', '1 minute') t"
        " where llmlab_private.spend_bucket(t) > t or llmlab_private.spend_bucket(t) < date_trunc('hour', t)"
        " or llmlab_private.spend_bucket(llmlab_private.spend_bucket(t)) <> llmlab_private.spend_bucket(t)"
        " or llmlab_private.spend_bucket(t + interval '59.999999 seconds') <> llmlab_private.spend_bucket(t)"
    )
    assert wrong == 0
    buckets = await sql.fetchval(
        "select count(distinct llmlab_private.spend_bucket(t))"
        " from generate_series(timestamptz '2026-01-01 00:00Z', '2026-01-01 23:59Z', '1 minute') t"
    )
    assert buckets == 38
