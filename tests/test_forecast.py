"""Forecasts: patterns continue, intervals have their coverage, and too little data is reported."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bench.forecast import KINDS, coverage, demo_costs
from engines.analysis.forecast import forecast
from engines.analysis.smoothing import simulate
from schemas.budgets import Budget
from schemas.forecast import Forecast, ForecastPeriod, SpendSeries, StoredSpend
from tests.support.team import Member, assert_problem, call, new_api_key

# A Saturday.
TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
WEEK = (10.0, 11.0, 12.0, 11.0, 10.0, 3.0, 2.0)


def series(costs: list[float], today: float = 0, share: str = "0.25", budget: UUID | None = None) -> SpendSeries:
    return SpendSeries(
        budget_id=budget,
        today=TODAY,
        costs=[Decimal(str(cost)) for cost in costs],
        spent_today=Decimal(str(today)),
        usual_share=Decimal(share),
    )


def budget(limit: int, spend: int, **changes: Any) -> Budget:
    """A budget of November."""
    usual: dict[str, Any] = {
        "id": uuid4(),
        "user_id": uuid4(),
        "name": "Everything",
        "limit": limit,
        "period": "monthly",
        "starts_on": None,
        "days": None,
        "scope": {},
        "hard": False,
        "thresholds": [100],
        "tz": "UTC",
        "current_spend": spend,
        "reserved": 0,
        "remaining": limit - spend,
        "percentage_used": 0,
        "status": "ok",
        "unpriced_calls": 0,
        "unchecked_calls": 0,
        "period_start": "2026-11-01T00:00:00Z",
        "period_end": "2026-12-01T00:00:00Z",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Budget.model_validate(usual | changes)


def look(
    *all_series: SpendSeries, budgets: tuple[Budget, ...] = (), period: ForecastPeriod = "month", horizon: int = 30
) -> Forecast:
    stored = StoredSpend(budget_count=len(budgets), budgets=list(budgets), series=list(all_series))
    return forecast(stored, period, "UTC", horizon, NOW)


# The models


def test_a_weekly_pattern_continues() -> None:
    (found,) = simulate([WEEK * 6], [21])
    assert np.allclose(np.median(found.paths, axis=0), WEEK * 3)
    model, mae, mase = found.tested[0]
    assert (model, round(mae, 12), mase) == ("seasonal_naive", 0, None)


def test_steady_growth_continues_and_none_is_invented() -> None:
    growing = [(2 + 0.05 * day) ** 2 for day in range(100)]
    (found,) = simulate([growing], [28])
    assert found.model == "holt_winters"
    assert np.allclose(np.median(found.paths, axis=0), [(2 + 0.05 * day) ** 2 for day in range(100, 128)], rtol=0.02)
    errors = {model: mae for model, mae, _ in found.tested}
    assert errors["holt_winters"] < errors["damped_trend"] < errors["seasonal_naive"]


def test_seasonal_naive_errors_are_differences_from_a_week_before() -> None:
    # Every week costs 7 more a day. A forecast is off by 7 in the first week, by 14 in the second, and so on to 28.
    costs = [100.0 + 7 * (day // 7) for day in range(140)]
    (found,) = simulate([costs], [7])
    naive = next(tested for tested in found.tested if tested[0] == "seasonal_naive")
    # 98 evenings and today, of which the last 28 see ever less ahead of them.
    ahead = [(origin, day) for origin in range(41, 140) for day in range(1, 29) if origin + day < 140]
    mae = sum(7 * -(-day // 7) for _, day in ahead) / len(ahead)
    assert naive[1] == pytest.approx(mae)
    assert naive[2] == pytest.approx(mae / 7)


def test_scaling_all_dollars_scales_the_forecast() -> None:
    costs = KINDS["growth"](np.random.default_rng(3), 90)
    one, many = simulate([costs, costs * 1000], [14, 14])
    assert one.model == many.model
    assert np.allclose(one.paths * 1000, many.paths)


def test_the_forecast_of_a_series_does_not_depend_on_others() -> None:
    random = np.random.default_rng(4)
    several = [kind(random, days) for kind in KINDS.values() for days in (40, 90)]
    together = simulate(several, [10] * len(several))
    for costs, found in zip(several, together, strict=True):
        assert np.array_equal(simulate([costs], [10])[0].paths, found.paths)


@pytest.mark.parametrize("costs", [[0.0] * 27 + [1.0], [0.001] * 28, [1.0, 0.0] * 30, [1e6] * 60 + [0.0] * 20], ids=len)
def test_spend_is_never_negative_and_always_a_number(costs: list[float]) -> None:
    (found,) = simulate([costs], [92])
    assert np.isfinite(found.paths).all()
    assert (found.paths >= 0).all()


def test_intervals_have_their_coverage_on_generated_series() -> None:
    found = coverage(
        [kind(np.random.default_rng(seed), 150) for seed in range(8) for kind in KINDS.values()], range(60, 137, 26), 14
    )
    assert abs(found.days_80 - 80) <= 5
    assert abs(found.days_95 - 95) <= 5
    assert abs(found.totals_80 - 80) <= 5
    assert abs(found.totals_95 - 95) <= 5


def test_intervals_have_their_coverage_on_the_demo() -> None:
    found = coverage(demo_costs(datetime(2026, 11, 21, 9, 30, tzinfo=UTC), Random(1)), range(42, 76, 3), 14)
    assert abs(found.days_80 - 80) <= 5
    assert abs(found.days_95 - 95) <= 5


# Answers


def test_today_is_the_spend_so_far_and_the_rest_of_a_usual_day() -> None:
    # A quarter of a day's 10 usually comes before now, and 6 have been spent.
    found = look(series([10.0] * 30, today=6))
    assert [(day.date, day.expected) for day in found.days[:2]] == [
        (TODAY, Decimal("13.50")),
        (TODAY + timedelta(days=1), Decimal("10.00")),
    ]
    assert len(found.days) == 30
    assert (found.period_start, found.period_end) == (date(2026, 11, 1), date(2026, 11, 30))
    # 20 days, today's 6 and 7.5, and 9 days.
    assert found.spent == 206
    assert found.total is not None
    assert (found.total.expected, found.total.low_95, found.total.high_95) == (Decimal("303.50"),) * 3
    assert found.missing is None


@pytest.mark.parametrize(
    ("period", "start", "end", "expected"),
    [
        ("day", "2026-11-21", "2026-11-21", "7.50"),
        ("week", "2026-11-16", "2026-11-22", "67.50"),
        ("quarter", "2026-10-01", "2026-12-31", "707.50"),
    ],
)
def test_the_periods_are_those_of_the_calendar(period: ForecastPeriod, start: str, end: str, expected: str) -> None:
    # 30 whole days, today without any cost yet, and in the quarter 40 days more.
    found = look(series([10.0] * 30), period=period, horizon=1)
    assert (found.period_start.isoformat(), found.period_end.isoformat()) == (start, end)
    assert found.total is not None
    assert found.total.expected == Decimal(expected)
    assert len(found.days) == 1


def test_estimates_are_rounded_to_cents_or_three_digits() -> None:
    found = look(series([0.0123456] * 30), period="day", horizon=2)
    assert found.days[1].expected == Decimal("0.0123")


def test_a_budget_is_exceeded_on_the_day_its_limit_is_reached() -> None:
    # 200 are spent; the rest of today brings 7.5 and each day 10: 267.5 on the 27th, 297.5 on the 30th.
    sure, never, over = budget(260, 200), budget(300, 200), budget(150, 200)
    whole = series([10.0] * 30)
    own = [series([10.0] * 30, budget=one.id) for one in (sure, never, over)]
    found = look(whole, *own, budgets=(sure, never, over)).budgets
    assert [(one.probability, one.exceeds_on, one.exceeded, one.until) for one in found] == [
        (1.0, date(2026, 11, 27), False, date(2026, 11, 30)),
        (0.0, None, False, date(2026, 11, 30)),
        (1.0, None, True, date(2026, 11, 30)),
    ]
    assert [one.total.expected for one in found if one.total] == [Decimal("297.50")] * 3


def test_a_budget_at_the_median_is_exceeded_with_probability_one_half() -> None:
    costs = list(KINDS["noise"](np.random.default_rng(5), 90))
    edge = look(series(costs), horizon=1).total
    assert edge is not None
    spent = round(sum(costs[-20:]))
    # The limit is where the median of the month's end lies.
    one = budget(round(edge.expected), spent)
    (found,) = look(series(costs), series(costs, budget=one.id), budgets=(one,)).budgets
    assert found.probability is not None
    assert 0.4 < found.probability < 0.6
    assert found.exceeds_on in (date(2026, 11, 29), date(2026, 11, 30))


def test_a_long_period_is_forecast_for_92_days() -> None:
    yearly = budget(10_000, 100, period="yearly", period_end="2027-11-21T00:00:00Z")
    (found,) = look(series([10.0] * 30), series([10.0] * 30, budget=yearly.id), budgets=(yearly,)).budgets
    assert found.until == TODAY + timedelta(days=91)
    assert found.total is not None
    assert found.total.expected == Decimal("1017.50")


@pytest.mark.parametrize(
    ("days", "missing"),
    [
        (
            0,
            "A forecast requires 28 whole days since the first cost; the last 182 days before today have no cost",
        ),
        (
            27,
            "A forecast requires 28 whole days since the first cost on 2026-10-25: it is available from 2026-11-22 on",
        ),
    ],
)
def test_too_little_data_is_reported(days: int, missing: str) -> None:
    one = budget(100, 5)
    found = look(series([1.0] * days, today=2), series([1.0] * days, budget=one.id), budgets=(one,))
    assert (found.missing, found.total, found.days, found.model, found.backtest) == (missing, None, [], None, [])
    assert found.spent == 2 + min(days, 20)
    assert (found.budgets[0].missing, found.budgets[0].probability) == (missing, None)


# The endpoint


async def test_nothing_one_and_five_calls(ada: Member) -> None:
    empty = await ada.get("/api/costs/forecast")
    assert (empty["spent"], empty["total"], empty["days"], empty["budgets"]) == (0, None, [], [])
    assert empty["missing"].endswith("the last 182 days before today have no cost")
    await ada.track()
    assert (await ada.get("/api/costs/forecast", period="day"))["spent"] == 0.0075
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    await ada.batch(*[call(timestamp=(noon - timedelta(days=day)).isoformat()) for day in (1, 2, 3, 10)])
    five = await ada.get("/api/costs/forecast", period="day")
    first = (noon - timedelta(days=10)).date()
    assert f"the first cost on {first}: it is available from {first + timedelta(days=28)} on" in five["missing"]


@pytest.mark.both_roads
async def test_a_forecast_of_stored_calls_and_budgets(ada: Member, bob: Member) -> None:
    tag = {"tag": "team=a"}
    scopes: tuple[dict[str, str], ...] = (
        {},
        {"project": "search"},
        tag,
        {"model": "gpt-4o-m*"},
        {**tag, "provider": "openai"},
    )
    await ada.request("POST", "/api/projects", json={"name": "search"})
    for scope in scopes:
        body = {"limit": 1000, "scope": scope, "tz": "Asia/Kolkata" if scope else "UTC"}
        assert (await ada.request("POST", "/api/budgets", json=body)).status_code == 201
    keyed = {"limit": 1, "scope": {"api_key": (await new_api_key(ada)).id}}
    assert (await ada.request("POST", "/api/budgets", json=keyed)).status_code == 201
    # By the calendar of Kolkata, where the next day begins at 18:30: until then every day has calls.
    noon = datetime.combine(datetime.now(ZoneInfo("Asia/Kolkata")), time(0, 5), UTC)
    days = [noon - timedelta(days=day) for day in range(1, 41)]
    await ada.batch(
        *[call(timestamp=day.isoformat(), cost=1, project="search", tags={"team": "a"}) for day in days],
        *[call(timestamp=day.isoformat(), cost=2, model="gpt-4o-mini") for day in days],
    )
    await bob.batch(*[call(timestamp=day.isoformat(), cost=100) for day in days])
    found = await ada.get("/api/costs/forecast", horizon=90)
    assert (len(found["days"]), found["missing"], found["budgets_left_out"]) == (90, None, 0)
    assert [day["expected"] for day in found["days"][1:]] == [3] * 89
    assert [entry["model"] for entry in found["backtest"]] == [
        "seasonal_naive",
        "level",
        "holt_winters",
        "damped_trend",
    ]
    usual = [budget["total"] and budget["probability"] for budget in found["budgets"]]
    assert usual == [0, 0, 0, 0, None, None]
    assert "daily totals do not cover scopes with an API key" in found["budgets"][4]["missing"]
    # Every day, in Kolkata as elsewhere, costs the same. Each total is rounded to a cent.
    _, search, tagged, mini = found["budgets"][:4]
    assert search["total"] == tagged["total"]
    assert mini["total"]["expected"] == pytest.approx(2 * search["total"]["expected"], abs=0.015)


@pytest.mark.parametrize("query", [{"horizon": 91}, {"horizon": 0}, {"period": "year"}, {"tz": "Nowhere"}], ids=str)
async def test_bad_parameters_are_refused(ada: Member, query: dict[str, Any]) -> None:
    assert_problem(await ada.request("GET", "/api/costs/forecast", params=query), 422)
