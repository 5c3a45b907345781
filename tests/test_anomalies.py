"""Anomalies: usual values calculated by hand, one report for each anomaly, and the anomalies of the demo.

The tests describe usage as calls per day. `daily(10, d3=200)` is a series of 10 calls each morning for 72 days, but of
200 calls three days ago; a call costs 0.50 USD:

      200                             |                        #
       10    #    #   ...   #    #    |    #    #   ...   #    #    #    #    #
            d71  d70  ...  d31  d30   |   d29  d28  ...   d4   d3   d2   d1   d0
           42 earlier days            |  the 30 days that are searched

Today is `d0`, at 09:30. `d3=0` is a day without calls, and `days=5` a series that begins four days ago. The usual
level of a day comes only from the days before it. `Use` gives a series hour by hour where the hour, the failures or
the price matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.story import outage_day, spike_day
from engines.analysis import causes
from engines.analysis.anomalies import Found, find, hourly_threshold
from engines.analysis.baseline import judged, median, restored, stabilised, usual_days, usual_errors, usual_hours
from engines.analysis.grid import Grid, Leaf
from providers import PriceBook
from schemas.anomalies import Anomaly
from schemas.usage import Usage
from schemas.usage_history import UsageSeries
from tests.support.demo_story import demo_events
from tests.support.team import Member, assert_problem, call

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PRICES = PriceBook()
COLUMNS = (
    "calls", "errors", "unpriced_calls", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "output_tokens", "costs",
)  # fmt: skip


class Use(NamedTuple):
    """Calls of 1,000 input and 100 output tokens in one hour of a day, each at a price in USD."""

    days_ago: int
    hour: int
    calls: int
    errors: int = 0
    price: Decimal = Decimal("0.5")


def grid(days: int = 30, at: datetime = NOW, tz: str = "UTC") -> Grid:
    """The days of a request, and 42 days before them."""
    today = at.astimezone(ZoneInfo(tz)).date()
    first = today - timedelta(days=days + 41)
    return Grid(first, first, today - timedelta(days=days - 1), at, tz)


def series(name: str, uses: Iterable[Use], of: Grid) -> UsageSeries:
    """The use of 'project: provider/model', or of 'provider/model'."""
    project, _, model = name.rpartition(": ")
    last = of.days - 1
    rows = sorted(
        (
            int(of.midnights[last - use.days_ago]) + use.hour * 60,
            use.calls, use.errors, 0, use.calls * 1000, 0, 0, 0, use.calls * 100, use.calls * use.price,
        )
        for use in uses
    )  # fmt: skip
    provider, _, model = model.partition("/")
    return UsageSeries(project=project or None, provider=provider, model=model, **columns(rows))


def columns(rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    names = ("minutes", *COLUMNS)
    return {name: ",".join(str(row[index]) for row in rows) for index, name in enumerate(names)}


def daily(calls: int, days: int = 72, hour: int = 8, **changes: int) -> list[Use]:
    """The number of calls each day, at an hour that is over; `d3=50` changes it to 50 three days ago."""
    return [Use(ago, hour, changes.get(f"d{ago}", calls)) for ago in range(days) if changes.get(f"d{ago}", calls)]


def anomalies(uses: dict[str, list[Use]], threshold: float = 3, of: Grid | None = None) -> list[Anomaly]:
    of = of or grid()
    leaves = [Leaf(series(name, use, of), of) for name, use in uses.items()]
    return causes.with_causes(find(leaves, of, threshold), leaves, of, PRICES)


# Usual values


def test_medians_ignore_missing_values() -> None:
    values = np.array([[3, 1, np.nan, 2], [4, np.nan, np.nan, 1], [np.nan] * 4])
    assert median(values)[:2].tolist() == [2, 2.5]
    assert np.isnan(median(values)[2])


def test_the_stabilised_scale() -> None:
    # 20 asinh(sqrt(0.375 / 2) / 10), and 20 asinh(1) where (x + 0.375) / 2 is 100.
    assert stabilised(np.array([0, 199.625])) == pytest.approx([0.865755, 17.627472])
    assert restored(stabilised(np.array([0.0, 7.0, 12345.0]))) == pytest.approx([0, 7, 12345])


def test_z_is_in_units_of_the_median_deviation() -> None:
    # Residuals -4, -2, 0, 2, 4 and 40 around a median of 1: deviations 5, 3, 1, 1, 3, 39, of which the median is 3.
    calls = restored(stabilised(np.array([[199.625]])) + np.array([[-4, -2, 0, 2, 4, 40]]))
    usual = judged(calls, np.full((1, 6), 199.625))
    assert usual.spread == pytest.approx([1.4826 * 3])
    assert usual.z[0] == pytest.approx([-5 / 4.4478, -3 / 4.4478, -1 / 4.4478, 1 / 4.4478, 3 / 4.4478, 39 / 4.4478])
    # g^-1(17.627472 + 1) = 200 sinh(18.627472 / 20)^2 - 0.375
    assert usual.expected[0, 0] == pytest.approx(229.458, abs=1e-3)


def test_the_spread_is_at_least_that_of_chance() -> None:
    calls = np.full((1, 40), 10.0)
    calls[0, -1] = 200
    usual = usual_days(calls)
    # Nothing ever varied, but 10 calls could: z = 20 asinh(sqrt(200.375 / 2) / 10) - 20 asinh(sqrt(10.375 / 2) / 10)
    assert usual.spread.tolist() == [1]
    assert usual.z[0, -1] == pytest.approx(17.640721 - 4.516725)
    assert usual.expected[0, -1] == pytest.approx(10)
    low, high = usual.bounds(2)
    assert (low[0, -1], high[0, -1]) == pytest.approx((2.808704, 21.621032))


def test_weekends_are_usual_and_a_busy_one_is_not() -> None:
    week = [100, 100, 100, 100, 100, 20, 20]
    calls = np.array([week * 8], dtype=float)
    busy, idle = 7 * 7 + 5, 7 * 7 + 2
    assert np.abs(usual_days(calls).z[0, 21:]).max() < 0.5
    calls[0, busy], calls[0, idle] = 100, 20
    z = usual_days(calls).z[0]
    assert z[busy] > 6
    assert z[idle] < -6
    assert usual_days(calls).expected[0, busy] == pytest.approx(20, rel=0.05)


def test_steady_growth_is_usual() -> None:
    calls = np.array([1000 * 1.0135 ** np.arange(90)])
    usual = usual_days(calls)
    assert np.abs(usual.z[0, 30:]).max() < 0.5
    assert usual.expected[0, -1] == pytest.approx(calls[0, -1], rel=0.02)


def test_earlier_anomalies_do_not_hide_a_later_one() -> None:
    calls = np.full((1, 60), 100.0)
    calls[0, [30, 34, 38, 42, 46, 50]] = 1000
    assert usual_days(calls).z[0, 50] == pytest.approx(usual_days(calls).z[0, 30])


def test_a_new_series_is_never_low() -> None:
    calls = np.array([[100.0] * 5 + [20, 20] + [100] * 5])
    z = usual_days(calls).z[0]
    assert np.isnan(z[:5]).all()
    assert z[5:].min() >= 0


def test_a_weekly_job_at_its_hour_is_usual_and_on_another_day_is_not() -> None:
    calls = np.full((1, 63, 24), 1.0)
    calls[0, ::7, 3] = 200
    expected = usual_days(calls.sum(axis=2)).expected
    z = usual_hours(calls, expected).z[0]
    assert np.abs(z[28:]).max() < 1
    calls[0, 60, 3] = 200
    assert usual_hours(calls, expected).z[0, 60, 3] > 10


def test_an_error_rate_far_above_the_usual() -> None:
    calls, errors = np.full((1, 40), 100.0), np.full((1, 40), 1.0)
    errors[0, -1] = 50
    usual = usual_errors(calls, errors, 1)
    # 2 sqrt(100.5) (asin sqrt(50.375 / 100.75) - asin sqrt(0.01))
    assert usual.z[0, -1] == pytest.approx(20.049938 * (0.785398 - 0.100167), abs=1e-4)
    assert usual.expected[0, -1] == pytest.approx(1)


def test_an_hour_must_be_as_unlikely_as_a_day_divided_by_24() -> None:
    # P(z < -2) = 0.02275, and P(z < -3.1061) = 0.02275 / 24
    assert hourly_threshold(2) == pytest.approx(3.1061, abs=1e-4)
    assert hourly_threshold(5) == pytest.approx(5.5812, abs=1e-4)


# Reported anomalies


def test_a_day_far_above_the_usual() -> None:
    (found,) = anomalies({"bot: openai/gpt-4o": daily(10, d3=200)})
    assert (found.date, found.kind, found.scope) == (TODAY - timedelta(days=3), "spike", "model")
    assert (found.project, found.provider, found.model) == ("bot", "openai", "gpt-4o")
    # All calls are made in one hour, so the anomaly is that hour.
    assert (found.hour, found.start) == (8, datetime(2026, 11, 18, 8, tzinfo=UTC))
    assert (found.cost, found.calls) == (Decimal(100), 200)
    assert found.expected_cost == pytest.approx(Decimal(5))
    assert found.excess_cost == pytest.approx(Decimal(95))
    assert found.z_score == pytest.approx(13.1240, abs=1e-3)
    assert found.severity == "high"
    assert found.cause == "bot: 20 times the usual calls of gpt-4o (+$95.00)."
    (part,) = found.contributors
    assert (part.cause, part.effect) == ("calls", Decimal(95))


def test_few_or_equal_days_give_no_anomaly() -> None:
    assert anomalies({"openai/gpt-4o": daily(10, days=5, d0=500)}, 1) == []
    assert anomalies({"openai/gpt-4o": daily(10)}, 1) == []
    assert anomalies({}) == []


def test_an_unfinished_day_is_not_low() -> None:
    assert anomalies({"openai/gpt-4o": daily(100, hour=20)}) == []
    assert anomalies({"openai/gpt-4o": daily(100, hour=9, d0=10)}) == []
    (found,) = anomalies({"openai/gpt-4o": daily(100, hour=9, d0=900)})
    assert found.end == NOW


def test_a_new_level_is_reported_once() -> None:
    (found,) = anomalies(
        {"openai/gpt-4o": [Use(ago, hour, 60 if ago < 5 else 20) for ago in range(72) for hour in range(9)]}
    )
    assert (found.kind, found.date, found.hour) == ("level_shift", TODAY - timedelta(days=4), None)
    assert found.cause == "3 times the usual calls of gpt-4o (+$900.00)."


def test_a_stopped_series_names_its_replacement() -> None:
    old = {f"d{ago}": 0 for ago in range(10)}
    found = anomalies(
        {"search: openai/gpt-4o": daily(100, **old), "search: google/gemini-2.5-flash": daily(100, days=10)}
    )
    stop, new = sorted(found, key=lambda one: one.kind == "new_model")
    assert (stop.kind, stop.model, stop.date) == ("stop", "gpt-4o", TODAY - timedelta(days=9))
    assert stop.excess_cost < -300
    assert stop.cause.startswith("search: no calls of gpt-4o (-")
    assert stop.cause.endswith("; at the same time gemini-2.5-flash was first used there.")
    assert (new.kind, new.model, new.date, new.cost) == (
        "new_model",
        "gemini-2.5-flash",
        TODAY - timedelta(days=9),
        Decimal(350),
    )
    assert new.cause == (
        "first use of gemini-2.5-flash in search, from 2026-11-12: 700 calls of gemini-2.5-flash in 7 days."
    )


def test_a_new_project_is_reported_instead_of_its_models() -> None:
    (found,) = anomalies(
        {
            "bot: openai/gpt-4o": daily(100),
            "lab: openai/gpt-4o": daily(50, days=5),
            "lab: google/gemini-2.5-pro": daily(50, days=5),
        }
    )
    assert (found.kind, found.scope, found.about) == ("new_project", "project", "lab")
    assert [(part.cause, part.model) for part in found.contributors] == [("new", "gemini-2.5-pro"), ("new", "gpt-4o")]


def test_models_that_rise_together_are_reported_once_for_their_common_parent() -> None:
    uses = {f"bot: openai/{name}": daily(100, d3=300) for name in ("gpt-4o", "gpt-4o-mini", "o3")}
    (found,) = anomalies({**uses, "search: google/gemini-2.5-pro": daily(100)})
    assert (found.scope, found.about) == ("project", "bot")
    assert found.cause.count("3 times the usual calls of") == 3
    # One of them alone is named.
    (found,) = anomalies({**{name: daily(100) for name in uses}, "bot: openai/gpt-4o": daily(100, d3=3000)})
    assert found.about == "bot: openai/gpt-4o"


def test_failures_are_reported_instead_of_low_costs() -> None:
    bad = [Use(3, 8, 100, 70, Decimal("0.1"))]
    fine = [use for use in daily(100) if use.days_ago != 3]
    (found,) = anomalies(
        {"a: openai/gpt-4o": fine + bad, "b: openai/gpt-4o-mini": fine + bad, "b: google/x": daily(100)}
    )
    assert (found.measure, found.kind, found.about) == ("errors", "outage", "openai")
    assert (found.calls, found.errors, found.expected_errors) == (200, 140, 2)
    assert found.cause == (
        "70% of the calls of openai failed (140 of 200), compared with the usual 1%: 70 of gpt-4o in a and 70 of "
        "gpt-4o-mini in b."
    )


def test_a_higher_price_is_named_as_the_cause() -> None:
    at_5_dollars = [use._replace(price=Decimal(5)) if use.days_ago == 3 else use for use in daily(100)]
    (found,) = anomalies({"openai/gpt-4o": at_5_dollars})
    assert found.cause == "higher prices of gpt-4o (+$450.00)."


def test_a_model_without_a_price_is_reported_only_as_new_or_stopped() -> None:
    free = [use._replace(price=Decimal(0)) for use in daily(100, d3=900, d0=0, d1=0, d2=0)]
    (found,) = anomalies({"in-house/llm": free, "openai/gpt-4o": daily(100)})
    assert (found.kind, found.about, found.excess_cost) == ("stop", "in-house/llm", Decimal(0))
    assert (found.start, found.end) == (datetime(2026, 11, 19, 8, tzinfo=UTC), NOW)
    assert found.cause == "no calls of in-house/llm."


def test_days_and_hours_are_those_of_the_time_zone() -> None:
    india = grid(tz="Asia/Kolkata")
    # Half past six in the evening in UTC is midnight there; the bucket from seven on holds half of each of two hours.
    assert india.slots(np.array([0.0, 30, 90, 1410, 1440])).tolist() == [0, 0, 1, 23, 24]
    assert india.moment(24) - india.moment(0) == timedelta(days=1)
    berlin = grid(at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC), tz="Europe/Berlin")
    jump = berlin.day(date(2026, 10, 25))
    assert (berlin.hours(jump), berlin.hours(jump + 1)) == (25, 24)
    always = [Use(ago, hour, 10) for ago in range(72) for hour in range(24 if ago else 10)]
    assert anomalies({"openai/gpt-4o": always}, 2, berlin) == []


# Properties


def noisy(seed: int, price: Decimal) -> dict[str, list[Use]]:
    random = Random(seed)
    return {
        name: [
            Use(ago, hour, random.randrange(5, 15) * (8 if ago == 5 and hour == 4 else 1), 0, price * rate)
            for ago in range(60)
            for hour in (3, 4, 5)
        ]
        for name, rate in (("bot: openai/gpt-4o", 1), ("bot: openai/o3", 20), ("search: google/gemini-2.5-pro", 3))
    }


def places(found: Iterable[Anomaly]) -> list[tuple[Any, ...]]:
    return [(one.start, one.end, one.about, one.kind, one.z_score) for one in found]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.decimals("0.001", "1000", places=3), st.sampled_from([2.0, 3.0]))
def test_higher_prices_scale_only_the_dollars(seed: int, factor: Decimal, threshold: float) -> None:
    before, after = (anomalies(noisy(seed, price), threshold) for price in (Decimal("0.01"), Decimal("0.01") * factor))
    assert before
    for old, new in zip(before, after, strict=True):
        assert (old.start, old.about, old.kind, old.calls) == (new.start, new.about, new.kind, new.calls)
        assert new.z_score == pytest.approx(old.z_score, abs=1e-3)
        assert new.cost == old.cost * factor
        assert float(new.expected_cost) == pytest.approx(float(old.expected_cost * factor), abs=1e-9)
        assert float(new.contributors[0].effect) == pytest.approx(float(old.contributors[0].effect * factor), rel=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_the_series_changes_nothing(seed: int, random: Any) -> None:
    uses = noisy(seed, Decimal(1))
    shuffled = list(uses)
    random.shuffle(shuffled)
    assert anomalies({name: uses[name] for name in shuffled}, 2) == anomalies(uses, 2)


# The demo


@pytest.fixture(scope="module")
def story() -> tuple[list[UsageSeries], Grid]:
    """Ninety days of the demo as the database sums them up."""
    of = grid(90)
    start = datetime.combine(of.first, time.min, UTC)
    cells: defaultdict[tuple[str, str, str], defaultdict[int, list[Any]]] = defaultdict(
        lambda: defaultdict(lambda: [0] * 9)
    )
    for event in demo_events():
        usage = Usage.of_prompt(
            input_tokens=event["input_tokens"],
            cache_read_tokens=event.get("cache_read_tokens", 0),
            output_tokens=event["output_tokens"],
        )
        cost = PRICES.price(event["provider"], event["model"], usage, event["timestamp"]).cost
        hour = (event["timestamp"] - start) // timedelta(hours=1)
        cell = cells[event["project"], event["provider"], event["model"]][hour]
        added = (
            1, "status" in event, cost is None, usage.input_tokens, usage.cache_read_tokens, 0, 0,
            usage.output_tokens, cost or 0,
        )  # fmt: skip
        for index, number in enumerate(added):
            cell[index] += number
    return [
        UsageSeries(
            project=project,
            provider=provider,
            model=model,
            **columns([(hour * 60, *cell) for hour, cell in sorted(by_hour.items())]),
        )
        for (project, provider, model), by_hour in cells.items()
    ], of


def test_the_demo_s_story_is_found_and_explained(story: tuple[list[UsageSeries], Grid]) -> None:
    all_series, of = story
    leaves = [Leaf(one, of) for one in all_series]
    found: list[Found] = find(leaves, of, 2)
    explained = causes.with_causes(found, leaves, of, PRICES)
    (spike,) = [one for one in explained if one.date == spike_day(TODAY)]
    assert (spike.about, spike.hour, spike.kind) == ("code assistant: anthropic/claude-sonnet-4-5", 10, "spike")
    assert spike.end - spike.start == timedelta(hours=5)
    assert spike.cause.startswith("code assistant: ")
    assert " times the usual calls of claude-sonnet-4-5 (+" in spike.cause
    outage, fallback = sorted(
        (one for one in explained if one.date == outage_day(TODAY)), key=lambda one: one.measure, reverse=True
    )
    assert (outage.about, outage.hour, outage.measure, outage.kind) == ("openai", 13, "errors", "outage")
    assert "% of the calls of openai failed (" in outage.cause
    assert " of gpt-4o-mini in support bot and " in outage.cause
    assert (fallback.project, fallback.hour) == ("support bot", 13)
    assert "times the usual calls of claude-haiku-4-5" in fallback.cause
    assert fallback.cause.endswith("; at the same time calls of openai failed.")
    switched = [one for one in explained if one.date == TODAY - timedelta(days=25)]
    assert {(one.kind, one.about) for one in switched} == {
        ("new_model", "search: google/gemini-2.5-flash"),
        ("stop", "search: openai/gpt-4o"),
    }
    # That support grows by half each month is usual, and there is hardly anything else.
    assert [one.date for one in explained if one.project == "support bot"] == [outage_day(TODAY)]
    assert len(explained) <= 7


# The endpoint


async def anomalies_of(member: Member, **query: Any) -> Any:
    return await member.get("/api/recommendations/anomalies", **query)


@pytest.mark.both_roads
async def test_five_events_or_fewer_give_no_anomaly(ada: Member) -> None:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for known in range(6):
        if known:
            await ada.track(timestamp=(noon - timedelta(days=known)).isoformat(), cost=known * 10)
        if known in (0, 1, 5):
            found = await anomalies_of(ada, days=90, threshold=1)
            assert (found["count"], found["anomalies"]) == (0, [])
            assert found["analysis_period"]["end"] == (noon + timedelta(days=1)).isoformat().replace("+00:00", "Z")


async def test_a_day_that_stands_out(ada: Member, bob: Member) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    events = [
        call(timestamp=(midnight - timedelta(days=day)).isoformat(), cost=33 if day == 3 else 1, project="Bot")
        for day in range(30)
    ]
    await ada.request("POST", "/api/projects", json={"name": "Bot"})
    await ada.batch(*events)
    found = await anomalies_of(ada, days=30)
    assert found["count"] == 1
    (one,) = found["anomalies"]
    assert one["date"] == (midnight - timedelta(days=3)).date().isoformat()
    assert (one["about"], one["project"], one["provider"], one["model"]) == (
        "Bot: openai/gpt-4o", "Bot", "openai", "gpt-4o",
    )  # fmt: skip
    assert (one["cost"], one["kind"], one["severity"]) == (33, "spike", "high")
    assert one["expected_cost"] == pytest.approx(1)
    assert one["expected_low"] < 1 < one["expected_high"] < 33
    assert one["cause"] == "Bot: higher prices of gpt-4o (+$32.00)."
    for tz in ("Asia/Kolkata", "America/New_York", "Australia/Adelaide"):
        (elsewhere,) = (await anomalies_of(ada, days=30, tz=tz))["anomalies"]
        assert (elsewhere["cost"], elsewhere["excess_cost"]) == (33, pytest.approx(32))
    assert (await anomalies_of(ada, threshold=5, days=365))["count"] == 1
    assert (await anomalies_of(ada, threshold=5, days=2))["count"] == 0
    # The order in which events come changes nothing, and other workspaces do not see them.
    assert (await anomalies_of(bob))["count"] == 0
    Random(3).shuffle(events)
    await bob.request("POST", "/api/projects", json={"name": "Bot"})
    await bob.batch(*events)
    assert (await anomalies_of(bob, days=30))["anomalies"] == found["anomalies"]


@pytest.mark.parametrize("query", [{"threshold": 0.5}, {"threshold": 5.1}, {"threshold": "nan"}, {"days": 0}], ids=str)
async def test_bad_parameters_are_refused(ada: Member, query: dict[str, Any]) -> None:
    assert_problem(await ada.request("GET", "/api/recommendations/anomalies", params=query), 422)
