"""Causes of a change in spend: they add up to the last digit, and each is recognised alone."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.analysis.comparison import explain
from engines.analysis.effects import Cell, cell_of
from providers import PriceBook
from schemas.comparison import CostEffects, Explanation, PeriodUsage
from schemas.usage import Rates, Usage
from tests.support.demo_story import demo_events
from tests.support.team import Member, assert_problem, call

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PRICES = PriceBook()
# USD per token: 2, 1, 3 and 4 a million for the prompt, 10 for the output; and 0.001 per call.
RATES = Rates(
    Decimal("0.000002"),
    Decimal("0.000001"),
    Decimal("0.000003"),
    Decimal("0.000004"),
    Decimal("0.00001"),
    None,
    Decimal("0.001"),
)


def used(**changes: Any) -> Cell:
    """10 calls of 1,000 uncached and 100 output tokens each, 0.004 USD a call, with these changes."""
    usual: dict[str, Any] = {
        "project": "search",
        "provider": "openai",
        "model": "gpt-4o",
        "calls": 10,
        "unpriced_calls": 0,
        "input_tokens": 10_000,
        "cache_read_tokens": 0,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "output_tokens": 1_000,
        "cost": Decimal("0.04"),
        "rates": RATES,
    }
    values: list[Any] = list((usual | changes).values())
    return Cell._make(Decimal(value) if isinstance(value, int) else value for value in values)


def effects(before: Sequence[Cell], after: Sequence[Cell]) -> dict[str, Decimal]:
    """The causes that had an effect."""
    return {name: effect for name, effect in vars(explain(before, after).effects).items() if effect}


def total(split: CostEffects) -> Decimal:
    with localcontext(prec=60):
        return sum(vars(split).values(), Decimal(0))


# Single causes


def test_more_calls_are_a_volume_effect() -> None:
    after = used(calls=25, input_tokens=25_000, output_tokens=2_500, cost=Decimal("0.1"))
    assert effects([used()], [after]) == {"volume": Decimal("0.06")}


def test_longer_calls_are_a_tokens_per_call_effect() -> None:
    # 10 x (2,000 x 2 + 300 x 10) / 1e6 + 10 x 0.001
    after = used(input_tokens=20_000, output_tokens=3_000, cost=Decimal("0.08"))
    assert effects([used()], [after]) == {"tokens_per_call": Decimal("0.04")}


def test_a_cached_prompt_is_a_cache_effect() -> None:
    # Half of 10,000 tokens at 1 rather than 2 USD a million.
    after = used(input_tokens=5_000, cache_read_tokens=5_000, cost=Decimal("0.035"))
    assert effects([used()], [after]) == {"cache_hit_rate": Decimal("-0.005")}


def test_a_cache_that_is_only_written_costs_more() -> None:
    after = used(input_tokens=0, cache_write_5m_tokens=4_000, cache_write_1h_tokens=6_000, cost=Decimal("0.056"))
    assert effects([used()], [after]) == {"cache_hit_rate": Decimal("0.016")}


def test_higher_rates_are_a_price_effect() -> None:
    doubled = Rates._make(None if rate is None else rate * 2 for rate in RATES)
    assert effects([used()], [used(cost=Decimal("0.08"), rates=doubled)]) == {"price": Decimal("0.04")}


def test_a_cost_that_the_rates_do_not_explain_is_a_price_effect() -> None:
    assert effects([used()], [used(cost=Decimal("0.05"))]) == {"price": Decimal("0.01")}
    assert effects([used(rates=None)], [used(cost=Decimal("0.05"), rates=None)]) == {"price": Decimal("0.01")}


def test_another_model_is_a_mix_effect() -> None:
    other = used(model="gpt-4o-mini", cost=Decimal("0.01"))
    explained = explain([used()], [other])
    assert {name: effect for name, effect in vars(explained.effects).items() if effect} == {
        "model_mix": Decimal("-0.03")
    }
    assert {model.model: (model.status, model.effects.model_mix) for model in explained.models} == {
        "gpt-4o": ("vanished_model", Decimal("-0.04")),
        "gpt-4o-mini": ("new_model", Decimal("0.01")),
    }


def test_a_shift_between_known_models_is_a_mix_effect() -> None:
    small = used(model="gpt-4o-mini", cost=Decimal("0.01"))
    # From 10 and 10 calls to 5 and 15.
    fewer = used(calls=5, input_tokens=5_000, output_tokens=500, cost=Decimal("0.02"))
    more = small._replace(
        calls=Decimal(15), input_tokens=Decimal(15_000), output_tokens=Decimal(1_500), cost=Decimal("0.015")
    )
    assert effects([used(), small], [fewer, more]) == {"model_mix": Decimal("-0.015")}


def test_new_and_ended_projects_are_named() -> None:
    explained = explain([used()], [used(project="chat", cost=Decimal("0.1"))])
    assert (explained.effects.new_projects, explained.effects.vanished_projects) == (Decimal("0.1"), Decimal("-0.04"))
    assert [(model.project, model.status) for model in explained.models] == [
        ("chat", "new_project"),
        ("search", "vanished_project"),
    ]
    assert explained.summary == (
        "Spend rose by $0.06 (150.0%), from $0.04 to $0.10, mainly due to the new project chat (+$0.10) and "
        "no more calls in search (-$0.04)."
    )


def test_a_missing_price_is_not_a_saving() -> None:
    # Half of the calls have no price any more, which is not a lower price.
    explained = explain([used()], [used(unpriced_calls=5, cost=Decimal("0.02"))])
    assert explained.effects.priced_share == explained.difference == Decimal("-0.02")
    assert "5 calls without a known price (gpt-4o) are not included in either total" in explained.summary
    assert effects([used()], [used(unpriced_calls=10, cost=Decimal(0), rates=None)]) == {
        "priced_share": Decimal("-0.04")
    }


def test_two_causes_share_their_joint_effect() -> None:
    # Twice the calls at twice the price: from 0.04 to 0.16. Alone each adds 0.04, after the other 0.08.
    both = used(calls=20, input_tokens=20_000, output_tokens=2_000, cost=Decimal("0.16"))
    assert effects([used()], [both]) == {"volume": Decimal("0.06"), "price": Decimal("0.06")}


def test_tokens_without_any_rate_are_weighted_equally() -> None:
    free = Rates(*[Decimal(0)] * 7)
    # 0.05 for 10 x 2,200 tokens, where 0.04 was paid for 10 x 1,100.
    before, after = used(rates=free), used(input_tokens=20_000, output_tokens=2_000, cost=Decimal("0.05"), rates=free)
    # At a price of 0.04 and then 0.025 for 11,000: (0.04 + 0.025) / 2 and -(0.015 + 0.03) / 2.
    assert effects([before], [after]) == {"tokens_per_call": Decimal("0.0325"), "price": Decimal("-0.0225")}
    nothing = dict.fromkeys(("input_tokens", "output_tokens"), 0)
    assert effects([used(**nothing)], [used(**nothing, cost=Decimal("0.05"))]) == {"price": Decimal("0.01")}


def test_the_rounding_error_goes_to_the_largest_effect() -> None:
    before = used(calls=3, input_tokens=1, output_tokens=0, cost=Decimal("0.1234567890123456"))
    after = used(calls=7, input_tokens=2, output_tokens=1, cost=Decimal("0.31"))
    (model,) = explain([before], [after]).models
    digits = {name: -int(effect.as_tuple().exponent) for name, effect in vars(model.effects).items() if effect}
    assert digits.pop("volume") == 16
    assert set(digits.values()) == {12}
    assert total(model.effects) == model.difference == Decimal("0.1865432109876544")


# Properties


@st.composite
def periods(draw: st.DrawFn) -> list[Cell]:
    """A period's cells: counts whole or quarters, as in a mean of four weeks; costs of any kind."""
    cells = []
    keys = st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from(["x", "y", "z"]))
    for project, model in draw(st.lists(keys, max_size=6, unique=True)):
        quarter = Decimal("0.25")
        calls = draw(st.integers(1, 4_000)) * quarter
        unpriced = calls * draw(st.sampled_from([Decimal(0), Decimal(0), quarter, Decimal(1)]))
        tokens = [draw(st.sampled_from([0, 1, 977, 123_456])) * quarter for _ in range(5)]
        cost = Decimal(draw(st.integers(0, 10**15))).scaleb(-12) if calls > unpriced else Decimal(0)
        rates = draw(st.sampled_from([RATES, None, Rates(*[Decimal(0)] * 7), RATES._replace(cache_read=None)]))
        cells.append(Cell._make((project, "vendor", model, calls, unpriced, *tokens, cost, rates)))
    return cells


checked = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@checked
@given(periods(), periods())
def test_every_split_adds_up_to_the_last_digit(before: list[Cell], after: list[Cell]) -> None:
    rest = Decimal("1.5"), Decimal("2.000000000001")
    explained = explain(before, after, rest)
    costs = [sum((cell.cost for cell in period), cost) for period, cost in zip((before, after), rest, strict=True)]
    assert [explained.before_cost, explained.after_cost] == costs
    assert total(explained.effects) == explained.difference == costs[1] - costs[0]
    for model in explained.models:
        assert total(model.effects) == model.difference == model.after_cost - model.before_cost
    for project in explained.projects:
        assert total(project.effects) == project.difference == project.after_cost - project.before_cost
    left = explained.difference - (rest[1] - rest[0])
    assert sum(model.difference for model in explained.models) == left
    assert sum(project.difference for project in explained.projects) == left


@checked
@given(periods(), periods(), st.randoms(use_true_random=False))
def test_the_order_of_the_cells_changes_nothing(before: list[Cell], after: list[Cell], random: Random) -> None:
    shuffled = explain(random.sample(before, len(before)), random.sample(after, len(after)))
    assert shuffled == explain(before, after)


@checked
@given(periods(), periods())
def test_swapping_the_periods_flips_every_sign(before: list[Cell], after: list[Cell]) -> None:
    there, back = explain(before, after), explain(after, before)
    assert there.difference == -back.difference
    opposite = {"new_projects": "vanished_projects", "vanished_projects": "new_projects"}
    for name, effect in vars(there.effects).items():
        assert effect == -getattr(back.effects, opposite.get(name, name))


@checked
@given(periods(), periods(), st.integers(2, 1_000))
def test_scaling_all_prices_scales_all_dollars(before: list[Cell], after: list[Cell], factor: int) -> None:
    def scaled(cells: list[Cell]) -> list[Cell]:
        return [
            cell._replace(
                cost=cell.cost * factor,
                rates=cell.rates and Rates._make(None if rate is None else rate * factor for rate in cell.rates),
            )
            for cell in cells
        ]

    once, often = explain(before, after), explain(scaled(before), scaled(after))
    assert often.difference == once.difference * factor
    # Except for the rounding error of 1e-12 in each cell.
    for name, effect in vars(once.effects).items():
        assert abs(effect * factor - getattr(often.effects, name)) < Decimal("1e-10") * factor


# The demo


def usages(first_day: int, last_day: int) -> list[Cell]:
    """The demo's cells of some days, counted back from today."""
    midnight = NOW.replace(hour=0, minute=0)
    start, end = midnight - timedelta(days=first_day), midnight - timedelta(days=last_day - 1)
    counts: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 8)
    for event in demo_events():
        if start <= event["timestamp"] < end:
            usage = Usage.of_prompt(
                input_tokens=event["input_tokens"],
                cache_read_tokens=event.get("cache_read_tokens", 0),
                output_tokens=event["output_tokens"],
            )
            cost = PRICES.price(event["provider"], event["model"], usage, event["timestamp"]).cost
            key = event["project"], event["provider"], event["model"]
            more = (1, cost is None, *usage[:5], cost or 0)
            counts[key] = [count + Decimal(one) for count, one in zip(counts[key], more, strict=True)]
    names = [name for name in PeriodUsage.model_fields if name not in ("project", "provider", "model")]
    return [
        cell_of(
            PeriodUsage(project=project, provider=provider, model=model, **dict(zip(names, counted, strict=True))),
            PRICES,
            end,
        )
        for (project, provider, model), counted in counts.items()
    ]


@pytest.fixture(scope="module")
def demo() -> Explanation:
    """The 25 days since search changed its model, and the 25 before."""
    return explain(usages(50, 26), usages(25, 1))


def test_the_demo_s_growth_and_change_of_model_are_found_by_name(demo: Explanation) -> None:
    projects = {project.project: project.effects for project in demo.projects}
    support, search = projects["support bot"], projects["search"]
    assert support.volume > 0
    assert support.volume > 5 * max(abs(value) for name, value in vars(support).items() if name != "volume")
    assert search.model_mix < 0
    assert search.model_mix == min(vars(search).values())
    statuses = {model.model: model.status for model in demo.models if model.project == "search"}
    assert statuses == {"gpt-4o": "vanished_model", "gemini-2.5-flash": "new_model"}
    assert "calls moving from gpt-4o to gemini-2.5-flash in search (-" in demo.summary
    assert "more calls in support bot (+" in demo.summary
    assert [(one.provider, one.model) for one in demo.unpriced] == [("in-house", "support-7b-v3")]
    # No price changed, and what is left of the long prompts' higher rates is small.
    assert abs(demo.effects.price) < abs(demo.difference) / 20


# The endpoint


async def test_nothing_and_one_call(ada: Member) -> None:
    empty = await ada.get("/api/costs/compare")
    assert (empty["difference"], empty["projects"], empty["models"], empty["unpriced"]) == (0, [], [], [])
    assert empty["summary"] == "Spend stayed at $0.00."
    await ada.track(timestamp="2026-01-12T12:00:00Z")
    one = await ada.get("/api/costs/compare", **{"to": "2026-01-12"})
    assert (one["before"]["start"], one["before"]["end"]) == ("2026-01-11T00:00:00Z", "2026-01-12T00:00:00Z")
    assert (one["after"]["start"], one["after"]["end"]) == ("2026-01-12T00:00:00Z", "2026-01-13T00:00:00Z")
    assert (one["difference"], one["effects"]["new_projects"]) == (0.0075, 0.0075)
    assert one["summary"] == (
        "Spend rose by $0.0075, from $0.00 to $0.0075, mainly due to the first calls outside projects (+$0.0075)."
    )


@pytest.mark.both_roads
async def test_five_calls_of_two_months(ada: Member, bob: Member) -> None:
    await ada.batch(
        call(timestamp="2025-12-31T23:30:00Z", project="search"),
        call(timestamp="2026-01-10T12:00:00Z", project="search"),
        call(timestamp="2026-02-10T12:00:00Z", project="search"),
        call(timestamp="2026-02-11T12:00:00Z", project="search"),
        call(timestamp="2026-02-11T12:00:00Z", provider="no-vendor", model="mystery"),
    )
    await bob.batch(call(timestamp="2026-02-10T12:00:00Z", project="search"))
    found = await ada.get("/api/costs/compare", **{"to": "2026-02"})
    assert (found["before"]["start"], found["after"]["end"]) == ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert (found["before"]["call_count"], found["after"]["call_count"]) == (1, 3)
    assert (found["before_cost"], found["after_cost"], found["effects"]["volume"]) == (0.0075, 0.015, 0.0075)
    assert found["after"]["unpriced_calls"] == 1
    assert found["unpriced"] == [{"provider": "no-vendor", "model": "mystery", "before_calls": 0, "after_calls": 1}]
    # In Berlin that call of December was one of January.
    berlin = await ada.get("/api/costs/compare", to="2026-02", tz="Europe/Berlin", limit=1)
    assert (berlin["before_cost"], berlin["difference"]) == (0.015, 0)
    assert (len(berlin["models"]), berlin["model_count"], berlin["project_count"]) == (1, 2, 2)
    spans = {"from": "2026-01-01..2026-01-31", "to": "2026-02-11T12:00:00Z..2026-02-11T13:00:00Z"}
    assert (await ada.get("/api/costs/compare", **spans))["difference"] == 0


async def test_custom_prices_are_the_rates_of_a_comparison(ada: Member) -> None:
    price = {"provider": "openai", "model": "gpt-4o", "starts_at": "2026-02-01T00:00:00Z", "input": 5, "output": 20}
    assert (await ada.request("POST", "/api/prices", json=price)).status_code == 201
    await ada.batch(call(timestamp="2026-01-10T12:00:00Z"), call(timestamp="2026-02-10T12:00:00Z"))
    found = await ada.get("/api/costs/compare", to="2026-02")
    assert (found["difference"], found["effects"]["price"]) == (0.0075, 0.0075)


async def test_bad_periods_are_refused(ada: Member) -> None:
    for query, detail in (
        ({"to": "2026-02-30"}, None),
        ({"to": "9999-12"}, None),
        ({"to": "2026-01-01T00:00:00Z"}, None),
        ({"to": "2026-01-01..2026-01-02T00:00:00Z"}, None),
        ({"from": "last week"}, None),
        ({"to": "2026-02-02..2026-02-01"}, "to: start must be before end"),
        ({"from": "2024-01-01..2026-01-01", "to": "2026-02"}, "from: A range covers at most 366 days"),
        ({"to": "2000-01"}, "from: start must be between the years 2000 and 2100"),
        ({"days": "0"}, None),
        ({"limit": "1001"}, None),
    ):
        assert_problem(await ada.request("GET", "/api/costs/compare", params=query), 422, detail)


async def test_costs_beyond_the_limit_are_one_sum_without_causes(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.costs._MOST_CELLS", 1)
    await ada.batch(
        call(timestamp="2026-01-10T12:00:00Z", cost=3),
        call(timestamp="2026-02-10T12:00:00Z", cost=4),
        call(timestamp="2026-02-10T12:00:00Z", cost=2, model="gpt-4o-mini"),
    )
    found = await ada.get("/api/costs/compare", to="2026-02")
    assert (found["difference"], found["effects"]["price"], found["effects"]["others"]) == (3, 1, 2)
    assert (found["after"]["call_count"], found["model_count"]) == (2, 1)
