"""Metrics compared with a recount of the events, and percentiles with exact ones."""

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import utils.ids
from tests.conftest import client_of, running, settings_for
from tests.support.team import Member, assert_problem, call, new_api_key, sign_up
from utils import json
from utils.time import midnight

JANUARY = {"start": "2026-01-01", "end": "2026-01-31"}
PATHS = ("summary", "token-usage", "latency", "error-rate", "cost", "quality")
RANGES = ("0-100ms", "100-200ms", "200-500ms", "500-1000ms", "1000ms+")


@pytest.fixture
async def busy(ada: Member, bob: Member) -> Member:
    """Ada, with five calls in January 2026; Bob has one too."""
    await ada.batch(
        call(timestamp="2026-01-10T23:30:00Z", project="search", latency_ms=100),
        call(timestamp="2026-01-11T00:30:00Z", project="search", latency_ms=99.999, cache_read_tokens=400),
        call(timestamp="2026-01-11T12:00:00Z", model="gpt-4o-mini", latency_ms=1000.001, status="error"),
        call(timestamp="2026-01-12T12:00:00Z", provider="anthropic", model="claude-sonnet-4-5", status="timeout"),
        call(timestamp="2026-01-12T13:00:00Z", provider="no-vendor", model="mystery", latency_ms=300),
    )
    await bob.batch(call(timestamp="2026-01-11T12:00:00Z", latency_ms=5))
    return ada


async def test_the_metrics_of_a_new_workspace_are_empty(ada: Member) -> None:
    summary = await ada.get("/api/metrics/summary")
    del summary["date_range"]
    assert summary == {
        "total_tokens": 0, "total_cost": 0, "average_latency": None, "error_rate": 0, "call_count": 0,
        "error_count": 0, "unpriced_calls": 0, "timed_calls": 0,
    }  # fmt: skip
    latency = await ada.get("/api/metrics/latency")
    assert [(row["range"], row["call_count"]) for row in latency["data"]] == [(name, 0) for name in RANGES]
    assert (latency["p50"], latency["average_latency"], latency["by_model"]) == (None, None, [])
    for path in ("token-usage", "error-rate", "cost"):
        days = (await ada.get(f"/api/metrics/{path}"))["data"]
        assert len(days) == 30
        assert days[-1]["date"] == datetime.now(UTC).date().isoformat()
        assert {row["call_count"] for row in days} == {0}
    assert (await ada.get("/api/metrics/quality"))["data"] == []


@pytest.mark.both_roads
async def test_a_summary_adds_up(busy: Member) -> None:
    summary = await busy.get("/api/metrics/summary", **JANUARY)
    assert summary == {
        "date_range": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        "total_tokens": 7500,
        # 0.0075 + 0.007 (400 tokens at half the price) + 0.00045 + 0.0105
        "total_cost": 0.02545,
        "average_latency": 375,
        "error_rate": 40,
        "call_count": 5,
        "error_count": 2,
        "unpriced_calls": 1,
        "timed_calls": 4,
    }


async def test_days_with_and_without_calls(busy: Member) -> None:
    usage = {row.pop("date"): row for row in (await busy.get("/api/metrics/token-usage", **JANUARY))["data"]}
    assert len(usage) == 31
    assert usage["2026-01-11"] == {
        "prompt_tokens": 2000, "cache_read_tokens": 400, "cache_write_tokens": 0, "cache_write_1h_tokens": 0,
        "completion_tokens": 1000, "reasoning_tokens": 0, "total_tokens": 3000, "call_count": 2,
    }  # fmt: skip
    assert set(usage["2026-01-13"].values()) == {0}
    errors = {row["date"]: row for row in (await busy.get("/api/metrics/error-rate", **JANUARY))["data"]}
    assert errors["2026-01-12"] == {"date": "2026-01-12", "error_rate": 50, "error_count": 1, "call_count": 2}
    assert errors["2026-01-13"] == {"date": "2026-01-13", "error_rate": 0, "error_count": 0, "call_count": 0}
    costs = {row["date"]: row for row in (await busy.get("/api/metrics/cost", **JANUARY))["data"]}
    assert costs["2026-01-12"] == {"date": "2026-01-12", "total_cost": 0.0105, "call_count": 2, "unpriced_calls": 1}
    berlin = await busy.get("/api/metrics/cost", **JANUARY, tz="Europe/Berlin")
    assert [row["call_count"] for row in berlin["data"][9:12]] == [0, 3, 2]


async def test_latencies_by_range_and_by_model(busy: Member) -> None:
    latency = await busy.get("/api/metrics/latency", **JANUARY)
    assert [row["call_count"] for row in latency["data"]] == [1, 1, 1, 0, 1]
    assert (latency["call_count"], latency["timed_calls"], latency["average_latency"]) == (5, 4, 375)
    assert latency["p50"] == pytest.approx(100, rel=0.02)
    assert latency["p99"] == pytest.approx(1000, rel=0.02)
    assert [(row["model"], row["timed_calls"]) for row in latency["by_model"]] == [
        ("gpt-4o", 2),
        ("mystery", 1),
        ("gpt-4o-mini", 1),
    ]


async def test_metrics_of_one_project_provider_or_model(busy: Member) -> None:
    project = (await busy.get("/api/projects"))["projects"][0]["id"]
    for filters, calls in (
        ({"project": "search"}, 2),
        ({"project": project}, 2),
        ({"project": "nowhere"}, 0),
        ({"provider": "openai"}, 3),
        ({"model": "gpt-4o"}, 2),
        ({"provider": "openai", "model": "mystery"}, 0),
    ):
        assert (await busy.get("/api/metrics/summary", **JANUARY, **filters))["call_count"] == calls, filters
        assert (await busy.get("/api/metrics/latency", **JANUARY, **filters))["call_count"] == calls, filters
        days = (await busy.get("/api/metrics/cost", **JANUARY, **filters))["data"]
        assert (len(days), sum(row["call_count"] for row in days)) == (31, calls), filters


async def test_midnight_belongs_to_the_day_it_begins(ada: Member) -> None:
    # In Berlin the 28th of March begins and ends at 23:00 UTC.
    for second in ("27T22:59:59.999999", "27T23:00:00", "28T22:59:59.999999", "28T23:00:00"):
        tracked = await ada.track(timestamp=f"2026-03-{second}Z", latency_ms=5)
        await ada.request("POST", "/feedback", json={"event_id": tracked.json()["event_id"], "rating": 5})
    day = {"start": "2026-03-28", "end": "2026-03-28", "tz": "Europe/Berlin"}
    assert (await ada.get("/metrics/summary", **day))["call_count"] == 2
    latency = await ada.get("/metrics/latency", **day)
    assert (latency["call_count"], latency["timed_calls"]) == (2, 2)
    assert (await ada.get("/metrics/quality", **day))["data"][0]["rated_calls"] == 2
    for path in ("token-usage", "error-rate", "cost"):
        assert [row["call_count"] for row in (await ada.get(f"/metrics/{path}", **day))["data"]] == [2]


async def test_both_paths_answer_the_same_and_only_to_members(
    busy: Member, bob: Member, client: httpx.AsyncClient
) -> None:
    for path in PATHS:
        older, newer = [await busy.get(f"{prefix}/metrics/{path}", **JANUARY) for prefix in ("", "/api")]
        assert older == newer
        assert_problem(await client.get(f"/metrics/{path}"), 401)
        for wrong in ({"days": 0}, {"days": 366}, {"tz": "Nowhere"}, {"end": "2026-01-01"}, {"status": "error"}):
            assert_problem(await busy.request("GET", f"/metrics/{path}", params=wrong), 422)
    assert (await bob.get("/metrics/summary", **JANUARY))["call_count"] == 1


# The cost of good answers


@pytest.mark.both_roads
async def test_the_cost_of_a_good_answer(ada: Member) -> None:
    application = await new_api_key(ada)
    timestamps = {"timestamp": "2026-01-11T12:00:00Z"}
    ids = [(await ada.track(**timestamps)).json()["event_id"] for _ in range(4)]
    unpriced = (await ada.track(**timestamps, provider="no-vendor", model="mystery")).json()["event_id"]
    for rater, event_id, rating in (
        (ada, ids[0], 5),
        (ada, ids[1], 4),
        # 3 and 4 make 3.5, which is not good.
        (ada, ids[2], 4),
        (application, ids[2], 3),
        (ada, unpriced, 5),
    ):
        given = await rater.request("POST", "/api/feedback", json={"event_id": event_id, "rating": rating})
        assert given.status_code == 201
    assert (await ada.get("/api/metrics/quality", **JANUARY))["data"] == [
        {
            "provider": "openai", "model": "gpt-4o", "ratings": 4, "rated_calls": 3, "average_rating": 4.17,
            # Three rated calls of 0.0075 USD for two good answers.
            "good_answers": 2, "rated_cost": 0.0225, "unpriced_calls": 0, "cost_per_good_answer": 0.01125,
        },
        {
            "provider": "no-vendor", "model": "mystery", "ratings": 1, "rated_calls": 1, "average_rating": 5,
            "good_answers": 1, "rated_cost": 0, "unpriced_calls": 1, "cost_per_good_answer": None,
        },
    ]  # fmt: skip
    assert (await ada.get("/api/metrics/quality", start="2026-01-12", end="2026-01-12"))["data"] == []
    assert len((await ada.get("/api/metrics/quality", **JANUARY, model="gpt-4o"))["data"]) == 1


# Against a recount

MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"), ("no-vendor", "mystery")]
PROJECTS = ["search", "chat"]
LATENCIES = st.one_of(
    st.none(),
    st.sampled_from([0, 0.001, 1, 99.999, 100, 199.999, 200, 499.999, 500, 999.999, 1000, 86_400_000]),
    st.floats(0, 5000),
)
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles", "Australia/Adelaide", "Pacific/Kiritimati"]
# Some calls are made exactly at midnight, or just before.
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 3, 20), datetime(2026, 4, 8)),
    st.builds(
        lambda day, tz, late: (midnight(day, tz) - timedelta(microseconds=1 - late)).replace(tzinfo=None),
        st.dates(date(2026, 3, 20), date(2026, 4, 8)),
        st.sampled_from(ZONES),
        st.integers(0, 1),
    ),
)
EVENTS = st.lists(
    st.builds(
        lambda model, at, tokens, written, **more: {
            "provider": model[0], "model": model[1], "timestamp": f"{at.isoformat()}Z",
            "input_tokens": tokens[0] + sum(tokens[2:]), "output_tokens": tokens[1] + written,
            "reasoning_tokens": written, "cache_read_tokens": tokens[2], "cache_write_tokens": tokens[3],
            "cache_write_1h_tokens": tokens[4], **more,
        },
        model=st.sampled_from(MODELS),
        at=MOMENTS,
        tokens=st.tuples(*[st.integers(0, 10_000)] * 5),
        written=st.integers(0, 500),
        project=st.sampled_from([None, *PROJECTS]),
        status=st.sampled_from(["success", "success", "error", "timeout"]),
        latency_ms=LATENCIES,
        cost=st.sampled_from([None, None, "0.1234567890123"]),
    ),
    min_size=10,
    max_size=40,
)  # fmt: skip
QUESTIONS = st.fixed_dictionaries(
    {
        "start": st.dates(date(2026, 3, 18), date(2026, 4, 1)),
        "days": st.integers(1, 20),
        "tz": st.sampled_from(ZONES),
        "project": st.sampled_from([None, None, *PROJECTS]),
        "provider": st.sampled_from([None, None, "openai", "anthropic"]),
        "model": st.sampled_from([None, None, "gpt-4o", "mystery"]),
    }
)
RATINGS = st.lists(st.tuples(st.integers(0, 39), st.sampled_from(["admin", "key"]), st.integers(1, 5)), max_size=20)

# The calls of a query. $1 is the workspace; $2 and $3 are the first day and the one behind the last.
CHOSEN = """
with chosen as (
  select e.*, (e."timestamp" at time zone $4)::date as day,
    e.input_tokens + e.cache_read_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens as prompt
  from public.events e
  where e.workspace_id = $1 and e."timestamp" >= $2::timestamp at time zone $4
    and e."timestamp" < $3::timestamp at time zone $4
    and ($5::text is null or e.project = $5) and ($6::text is null or e.provider = $6)
    and ($7::text is null or e.model = $7)
)
"""
DAILY = "from generate_series($2, $3 - interval '1 day', '1 day') d left join chosen e on e.day = d::date group by d"
RATE = "coalesce(round(100.0 * count(*) filter (where e.status <> 'success') / nullif(count(e.id), 0), 4), 0)"
RECOUNTS = {
    "summary": f"""
      select sum(prompt + output_tokens) as total_tokens, sum(cost) as total_cost,
        round(avg(latency_ms::numeric), 3) as average_latency, {RATE} as error_rate, count(*) as call_count,
        count(*) filter (where status in ('error', 'timeout')) as error_count,
        count(*) filter (where cost is null) as unpriced_calls, count(latency_ms) as timed_calls from chosen e""",
    "token-usage": f"""
      select d::date as date, coalesce(sum(prompt), 0) as prompt_tokens,
        coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
        coalesce(sum(cache_write_5m_tokens), 0) as cache_write_tokens,
        coalesce(sum(cache_write_1h_tokens), 0) as cache_write_1h_tokens,
        coalesce(sum(output_tokens), 0) as completion_tokens, coalesce(sum(reasoning_tokens), 0) as reasoning_tokens,
        coalesce(sum(prompt + output_tokens), 0) as total_tokens, count(e.id) as call_count {DAILY} order by d""",
    "error-rate": f"""
      select d::date as date, {RATE} as error_rate, count(*) filter (where e.status <> 'success') as error_count,
        count(e.id) as call_count {DAILY} order by d""",
    "cost": f"""
      select d::date as date, coalesce(sum(cost), 0) as total_cost, count(e.id) as call_count,
        count(e.id) filter (where cost is null) as unpriced_calls {DAILY} order by d""",
    "latency": """
      select array[count(*) filter (where latency_ms < 100),
        count(*) filter (where latency_ms >= 100 and latency_ms < 200),
        count(*) filter (where latency_ms >= 200 and latency_ms < 500),
        count(*) filter (where latency_ms >= 500 and latency_ms < 1000),
        count(*) filter (where latency_ms >= 1000)] as calls from chosen""",
    "percentiles": """
      select provider, model, count(latency_ms) as timed_calls, round(avg(latency_ms::numeric), 3) as average_latency,
        percentile_disc(0.5) within group (order by latency_ms) as p50,
        percentile_disc(0.95) within group (order by latency_ms) as p95,
        percentile_disc(0.99) within group (order by latency_ms) as p99
      from chosen where latency_ms is not null group by grouping sets ((provider, model), ())
      order by 3 desc, provider collate "C", model collate "C" """,
    "quality": """
      select provider, model, sum(ratings) as ratings, count(*) as rated_calls, round(avg(rating), 2) as average_rating,
        count(*) filter (where rating >= 4) as good_answers, coalesce(sum(cost), 0) as rated_cost,
        count(*) filter (where cost is null) as unpriced_calls,
        round(sum(cost) / nullif(count(cost) filter (where rating >= 4), 0), 12) as cost_per_good_answer
      from (select e.provider, e.model, e.cost, count(*) as ratings, avg(f.rating) as rating
            from chosen e join public.feedback f on f.workspace_id = $1 and f.event_id = e.id
            group by e.id, e.provider, e.model, e.cost) rated
      group by provider, model order by count(*) desc, provider collate "C", model collate "C" """,
}


def is_close(found: Decimal | None, exact: float | None) -> bool:
    """Whether a latency is within 2% of the exact one; 0 counts as a microsecond."""
    if found is None or exact is None:
        return found is None and exact is None
    return abs(float(found) - max(exact, 0.001)) <= 0.02 * max(exact, 0.001)


async def check_everything(member: Member, sql: "asyncpg.Connection[asyncpg.Record]", question: dict[str, Any]) -> None:
    """Compares every metric with a recount of the events."""
    start, end = question["start"], question["start"] + timedelta(days=question["days"] - 1)
    filters = {name: question[name] for name in ("project", "provider", "model")}
    query = {"start": str(start), "end": str(end), "tz": question["tz"]}
    query |= {name: value for name, value in filters.items() if value is not None}
    workspace = UUID(member.session["workspace_id"])

    async def recount(name: str) -> list[dict[str, Any]]:
        # A day begins as in the calendar of the database.
        given = (workspace, start, end + timedelta(days=1), question["tz"], *filters.values())
        return [dict(row) for row in await sql.fetch(CHOSEN + RECOUNTS[name], *given)]

    async def answer(path: str) -> Any:
        response = await member.request("GET", f"/api/metrics/{path}", params=query)
        assert response.status_code == 200, response.text
        return json.loads(response.content)

    summary = await answer("summary")
    (counted,) = await recount("summary")
    del summary["date_range"]
    assert summary == counted | {name: counted[name] or 0 for name in ("total_tokens", "total_cost")}
    for path in ("token-usage", "error-rate", "cost"):
        days = [{**row, "date": date.fromisoformat(row["date"])} for row in (await answer(path))["data"]]
        assert days == await recount(path), path
    latency = await answer("latency")
    (ranges,) = await recount("latency")
    assert [row["call_count"] for row in latency["data"]] == ranges["calls"]
    exact = await recount("percentiles")
    (overall,) = [row for row in exact if row["model"] is None]
    models = [row for row in exact if row["model"] is not None]
    for found, row in zip([latency, *latency["by_model"]], [overall, *models], strict=True):
        same = ("provider", "model") if row["model"] else ()
        for name in (*same, "timed_calls", "average_latency"):
            assert found[name] == row[name]
        for name in ("p50", "p95", "p99"):
            assert is_close(found[name], row[name]), (name, found, row)
    assert (await answer("quality"))["data"] == await recount("quality")


@settings(
    max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(events=EVENTS, questions=st.lists(QUESTIONS, min_size=1, max_size=4), ratings=RATINGS)
@pytest.mark.long
async def test_every_metric_equals_a_recount_of_the_events(
    url: str,
    sql: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    events: list[dict[str, Any]],
    questions: list[dict[str, Any]],
    ratings: list[tuple[int, str, int]],
) -> None:
    # Hypothesis sets the seed of `random` to the same before each case; ids must differ all the same.
    monkeypatch.setattr(utils.ids, "random", random.SystemRandom())
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada, bob = await sign_up(client, "Ada"), await sign_up(client, "Bob")
        raters = {"admin": ada, "key": await new_api_key(ada)}
        named = [{**event, "id": str(number)} for number, event in enumerate(events)]
        assert (await ada.batch(*named))["recorded"] == len(events)
        await bob.batch(*named)
        for number, rater, rating in ratings:
            wanted = {"event_id": str(number % len(events)), "rating": rating}
            given = await raters[rater].request("POST", "/feedback", json=wanted)
            assert given.status_code == 201, given.text
        everything = dict.fromkeys(("project", "provider", "model")) | {"start": date(2026, 3, 15), "days": 30}
        for question in [everything | {"tz": "UTC"}, *questions]:
            await check_everything(ada, sql, question)


# Percentiles

DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "lognormal": lambda chance: chance.lognormvariate(6.5, 0.8),
    "wide": lambda chance: chance.lognormvariate(4, 3),
    "exponential": lambda chance: chance.expovariate(1 / 900),
    "uniform": lambda chance: chance.uniform(0, 2000),
    "two-humped": lambda chance: chance.gauss(90, 15) if chance.random() < 0.6 else chance.gauss(4000, 900),
    "heavy-tailed": lambda chance: 50 * chance.paretovariate(0.9),
    "constant": lambda chance: 250.0,
    "quick": lambda chance: chance.uniform(0, 1),
}


def percentile(latencies: Sequence[float], percent: int) -> float:
    """The smallest latency that this percentage of the calls does not exceed."""
    return sorted(latencies)[math.ceil(percent * len(latencies) / 100) - 1]


async def test_percentiles_are_at_most_two_percent_off(ada: Member) -> None:
    chance = random.Random(6)
    drawn = {
        name: [min(round(max(draw(chance), 0.001), 3), 86_400_000) for _ in range(997)]
        for name, draw in DISTRIBUTIONS.items()
    }
    for name, latencies in drawn.items():
        answer = await ada.batch(*[call(model=name, latency_ms=latency) for latency in latencies])
        assert answer["recorded"] == 997
    latency = await ada.get("/api/metrics/latency", days=2)
    found = {row["model"]: row for row in latency["by_model"]} | {"all": latency}
    assert found.keys() == drawn.keys() | {"all"}
    for name, row in found.items():
        latencies = drawn.get(name) or [one for some in drawn.values() for one in some]
        for percent in (50, 95, 99):
            exact = percentile(latencies, percent)
            assert abs(row[f"p{percent}"] - exact) <= 0.02 * exact, (name, percent)


async def test_a_latency_bucket_is_at_most_two_percent_off(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    row = await sql.fetchrow(
        "select max(abs(llmlab_private.bucket_latency(llmlab_private.latency_bucket(l)) - l) / l) as worst,"
        "  bool_and(llmlab_private.latency_bucket(l) >= before) as rising,"
        "  max(llmlab_private.latency_bucket(l)) as last"
        " from (select l, lag(llmlab_private.latency_bucket(l), 1, -177) over (order by l) as before"
        "       from (select 0.001 * power(1.0007, n) as l from generate_series(0, 36000) n) powers) latencies"
    )
    assert row is not None
    assert 0.019 < row["worst"] < 0.02
    assert row["rising"]
    assert row["last"] < 500


async def test_no_latency_bucket_reaches_across_a_range(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    for limit, bucket in ((1, 0), (100, 118), (200, 136), (500, 160), (1000, 178)):
        below = await sql.fetchval("select llmlab_private.latency_bucket($1)", math.nextafter(limit, 0))
        assert (below, await sql.fetchval("select llmlab_private.latency_bucket($1)", limit)) == (bucket - 1, bucket)
    lowest = await sql.fetch("select llmlab_private.latency_bucket(l) from unnest($1::float8[]) l", [0, 0.001, None])
    assert [row[0] for row in lowest] == [-177, -177, None]
