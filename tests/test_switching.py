"""Cheaper models: the cost of the same calls there, and never a more expensive suggestion."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import asyncpg
import pytest
from genai_prices.data_snapshot import get_snapshot

from engines.analysis.switching import Repriced, candidates, interval, reprice, student_t, switches
from engines.analysis.workloads import Window
from providers import Capability
from providers.capabilities import CAPABILITIES, RETIREMENTS, SOURCES, successors
from schemas.recommendations import ModelSwitch
from tests.support.team import Member, call
from tests.support.windows import GPT_4O, NOW, PRICES, SONNET, day, percent_of_list, sampled, ten_days, window
from utils import json

LUNA = CAPABILITIES["openai", "gpt-6-luna"]
HAIKU = CAPABILITIES["anthropic", "claude-haiku-5-5"]
SONNET_55 = CAPABILITIES["anthropic", "claude-sonnet-5-5"]


def on(able: Capability, window: Window) -> Repriced | None:
    """The window's only workload on another model; None where it would not have been cheaper."""
    (load,) = window.workloads
    return next(iter(reprice(window, load, [able])), None)


def to(able: Capability, window: Window) -> ModelSwitch | None:
    """The recommendation of that model."""
    return next((one for one in switches(window).recommendations if one.suggested_model == able.model), None)


def test_a_switch_is_priced_on_the_tokens_used() -> None:
    switch = to(LUNA, window(ten_days(), sample=[sampled()]))
    assert switch is not None
    assert (switch.provider, switch.current_model, switch.suggested_provider) == ("openai", "gpt-4o", "openai")
    assert (switch.current_tier, switch.suggested_tier, switch.tier_step) == ("balanced", "small", 1)
    # 1,000 x 2.50 + 500 x 10, and 1,000 x 0.10 + 500 x 0.50, USD per million
    assert switch.current_cost_per_call == Decimal("0.0075")
    assert switch.suggested_cost_per_call == Decimal("0.00035")
    assert (switch.current_cost, switch.projected_cost) == (Decimal("0.75"), Decimal("0.035"))
    # (0.75 - 0.035) over ten days, times 30
    assert switch.estimated_monthly_savings == Decimal("2.145")
    assert (switch.savings_low, switch.savings_high) == (Decimal("2.145"), Decimal("2.145"))
    assert (switch.fitting_calls, switch.sampled_calls) == (Decimal(100), 1)


def test_cached_and_reasoning_tokens_are_priced_as_such() -> None:
    cached = day(calls=100, input_tokens=0, cache_read_tokens=100_000, reasoning_tokens=20_000, cost="0.625")
    found = on(LUNA, window([cached], sample=[sampled(0, cache_read_tokens=1000, reasoning_tokens=200)]))
    # 100,000 x 0.01 and 50,000 x 0.50, USD per million
    assert found is not None
    assert found.projected == Decimal("0.026")


def test_cached_tokens_cost_as_input_where_the_cache_has_no_price() -> None:
    cached = day(calls=100, model="gpt-5.5", input_tokens=0, cache_read_tokens=100_000, cost="10")
    command = CAPABILITIES["cohere", "command-a"]
    found = on(command, window([cached]))
    # 100,000 x 2.50 and 50,000 x 10, USD per million
    assert found is not None
    assert found.projected == Decimal("0.75")


def test_the_sample_gives_the_share_of_tokens_in_long_prompts() -> None:
    used = day(calls=10, model="gpt-4.1", input_tokens=1_000_000, output_tokens=10_000, cost="2.08")
    sample = [sampled(prompt, 1000, model="gpt-4.1") for prompt in (50_000, 150_000)]
    found = on(HAIKU, window([used], sample=sample))
    # Input: a quarter at 0.10 and three at 0.50; output: half at 0.50 and half at 2.50, USD per million.
    assert found is not None
    assert found.projected == Decimal("0.415")


def test_a_prompt_at_the_threshold_is_not_long() -> None:
    used = day(calls=1, model="gpt-4.1", input_tokens=100_000, output_tokens=0, cost="1")
    for prompt, projected in ((100_000, "0.01"), (100_001, "0.05")):
        found = on(HAIKU, window([used], sample=[sampled(prompt, 0, model="gpt-4.1")]))
        assert found is not None
        assert found.projected == Decimal(projected)


def test_another_tokenizer_counts_more_tokens() -> None:
    used = day(calls=100, **SONNET, cost="1.05")
    found = on(SONNET_55, window([used], sample=[sampled(**SONNET)]))
    # (100,000 x 2 + 50,000 x 10) x 1.3, USD per million
    assert found is not None
    assert found.projected == Decimal("0.91")


def test_calls_that_do_not_fit_stay_where_they_are() -> None:
    long: dict[str, Any] = {"provider": "openai", "model": "gpt-5.4"}
    used = day(calls=20, **long, input_tokens=4_000_000, output_tokens=0, cost="12")
    small = CAPABILITIES["cohere", "command-a"]
    assert small.context_window == 256_000
    sample = [sampled(100_000, 0, **long)] * 19 + [sampled(2_100_000, 0, **long)]
    found = on(small, window([used], sample=sample))
    # Of 4,000,000 tokens 1,900,000 / 4,000,000 move, at 2.50 USD per million; the rest of the cost stays.
    assert found is not None
    assert found.fits == Decimal("0.95")
    assert found.projected == Decimal("4.75") + 12 * Decimal("0.525")
    assert on(small, window([used], sample=[*sample[:16], *[sample[-1]] * 4])) is None


def test_a_price_cut_or_a_discount_is_not_a_saving() -> None:
    for stored, base in (("2", Decimal("0.75")), ("0.3", Decimal("0.3"))):
        found = on(LUNA, window([day(calls=100, cost=stored)]))
        assert found is not None
        assert (found.current_today, found.base) == (Decimal("0.75"), base)
    switch = to(LUNA, window([day(calls=100, cost="2")]))
    assert switch is not None
    assert (switch.current_cost, switch.current_cost_today) == (Decimal(2), Decimal("0.75"))
    # (0.75 - 0.035) in the one day since the first call, times 30
    assert switch.estimated_monthly_savings == Decimal("21.45")


def test_the_interval_is_student_s_t_over_whole_days() -> None:
    # Savings of 0.0715 and 0.143 in turn: s = sqrt(10 / 9) x 0.03575, t = 2.262 with 9 degrees of freedom.
    used = window([day(ago, calls=20 if ago % 2 else 10) for ago in range(10, 0, -1)])
    (load,) = used.workloads
    found = on(LUNA, used)
    assert found is not None
    low, high = interval(used, load, found) or (Decimal(0), Decimal(0))
    saving = Decimal("3.2175")
    assert low + high == 2 * saving
    assert round(high - saving, 3) == Decimal("0.809")


def test_fewer_days_than_a_week_have_no_interval_and_days_without_calls_count() -> None:
    switch = to(LUNA, window([day(ago) for ago in range(6, 0, -1)]))
    assert switch is not None
    assert switch.savings_low is None
    used = window([day(10), day(1)])
    (load,) = used.workloads
    found = on(LUNA, used)
    assert found is not None
    low, high = interval(used, load, found) or (Decimal(0), Decimal(0))
    # Two days of 0.0715 and eight of 0: s = 0.0715 x sqrt(10 x 0.2 x 0.8 / 9)
    assert round((high - low) / 2, 3) == Decimal("0.647")


@pytest.mark.parametrize(("freedom", "expected"), [(6, "2.447"), (9, "2.262"), (29, "2.045"), (364, "1.967")])
def test_quantiles_of_student_s_t(freedom: int, expected: str) -> None:
    assert abs(student_t(freedom) - Decimal(expected)) < Decimal("0.002")


def test_one_of_each_kind_is_suggested_and_each_model_counts_once() -> None:
    found = switches(window(ten_days()))
    kinds = [(switch.same_provider, switch.tier_step <= 0) for switch in found.recommendations]
    assert sorted(kinds) == [(False, False), (False, True), (True, False), (True, True)]
    savings = [switch.estimated_monthly_savings for switch in found.recommendations]
    assert savings == sorted(savings, reverse=True)
    assert found.total_potential_savings == savings[0]
    two = switches(window([*ten_days(), *ten_days(model="gpt-4.1", cost="0.06")]))
    assert two.total_potential_savings > found.total_potential_savings
    assert two.total_potential_savings < sum(switch.estimated_monthly_savings for switch in two.recommendations)


def test_ratings_and_error_rates_are_shown_where_known() -> None:
    used = [*ten_days(errors=1), *ten_days(model="gpt-6-luna", cost="0.0035")]
    ratings = [{**GPT_4O, "ratings": 4, "average_rating": 4.5}]
    switch = to(LUNA, window(used, ratings=ratings))
    assert switch is not None
    assert (switch.current_quality.average_rating, switch.current_quality.ratings) == (4.5, 4)
    assert switch.current_quality.error_rate == 10
    assert switch.suggested_quality is not None
    assert switch.suggested_quality.average_rating is None
    assert switch.suggested_quality.error_rate == 0
    assert all(other.suggested_quality is None for other in switches(window(ten_days())).recommendations)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "mystery"}, "unknown_tier"),
        ({"provider": "no-vendor"}, "unknown_tier"),
        ({"unpriced_calls": 1}, "unpriced_calls"),
    ],
    ids=str,
)
def test_models_that_cannot_be_compared_are_listed(changes: dict[str, Any], reason: str) -> None:
    changes = {"provider": "openai", **changes}
    changes["model"] = changes.get("model", "mystery" if changes["provider"] == "no-vendor" else "gpt-4o")
    found = switches(window([day(**changes)]))
    assert found.recommendations == []
    assert [(left.model, left.reason) for left in found.left_out] == [(changes["model"], reason)]


def test_calls_that_cost_nothing_are_not_moved() -> None:
    assert switches(window([day(cost="0")])).recommendations == []


def test_a_model_must_support_the_inputs_of_the_calls() -> None:
    spoken = {"input_tokens": 1000, "input_audio_tokens": 800, "output_tokens": 500}
    found = switches(window(ten_days(), sample=[sampled(usage_detail=spoken)]))
    suggested = {switch.suggested_provider for switch in found.recommendations}
    assert suggested <= {"google"}
    gemini = CAPABILITIES["google", "gemini-3.5-flash-lite"]
    repriced = on(gemini, window(ten_days(cost="1"), sample=[sampled(usage_detail=spoken)]))
    assert repriced is None or repriced.projected < repriced.base


def test_only_the_newest_models_far_from_retirement_are_suggested() -> None:
    soon = (NOW + timedelta(days=90)).date()
    suggested = {(able.provider, able.model) for able in successors(soon)}
    for able in suggested:
        assert able not in RETIREMENTS or RETIREMENTS[able].retires_on > soon
    assert ("openai", "gpt-6.1-sol") in suggested
    assert not suggested & {("openai", "gpt-6-sol"), ("openai", "gpt-4o"), ("google", "gemini-2.5-flash-lite")}
    lines = [(able.provider, able.line) for able in successors(soon)]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("current", CAPABILITIES.values(), ids=lambda able: able.model)
def test_calls_move_to_a_newer_model_and_at_most_one_tier_down(current: Capability) -> None:
    for able in candidates(window([]), current):
        assert able.tier >= current.tier - 1
        assert able.line != current.line or able.generation > current.generation


def anything(random: Random) -> list[dict[str, Any]]:
    """Random days of a few models."""
    used = []
    for able in random.sample(sorted(CAPABILITIES), 4):
        for ago in random.sample(range(1, 29), random.randint(1, 12)):
            calls = random.randint(1, 50)
            tokens = {
                kind: random.choice((0, random.randint(1, 400_000 * calls)))
                for kind in ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "output_tokens")
            }
            cost = str(Decimal(random.randint(0, 10**6)) / 10**4)
            used.append(day(ago, calls, provider=able[0], model=able[1], cost=cost, **tokens))
    return used


def samples(random: Random, used: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A sample of them."""
    return [
        sampled(random.randint(1, 400_000), random.randint(1, 3000), provider=row["provider"], model=row["model"])
        for row in used
        for _ in range(random.randint(0, 5))
    ]


@pytest.mark.parametrize("seed", range(8))
def test_no_more_expensive_or_older_model_is_suggested(seed: int) -> None:
    random = Random(seed)
    used = anything(random)
    for switch in switches(window(used, sample=samples(random, used))).recommendations:
        assert switch.estimated_monthly_savings > 0
        assert switch.projected_cost < switch.current_cost
        assert switch.tier_step <= 1
        current = CAPABILITIES[switch.provider, switch.current_model]
        other = CAPABILITIES[switch.suggested_provider, switch.suggested_model]
        assert other.line != current.line or other.generation > current.generation


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_calls_changes_nothing_and_twice_the_prices_are_twice_the_dollars(seed: int) -> None:
    random = Random(seed)
    used = anything(random)
    sample = samples(random, used)
    found = switches(window(used, sample=sample))
    shuffled = switches(window(random.sample(used, len(used)), sample=random.sample(sample, len(sample))))
    assert shuffled == found
    doubled = [{**row, "cost": str(2 * Decimal(row["cost"]))} for row in used]
    twice = switches(window(doubled, percent_of_list(200), sample=sample))
    assert [one.suggested_model for one in twice.recommendations] == [
        one.suggested_model for one in found.recommendations
    ]
    for one, other in zip(found.recommendations, twice.recommendations, strict=True):
        for dollars in ("projected_cost", "estimated_monthly_savings", "savings_low", "savings_high"):
            before, after = getattr(one, dollars), getattr(other, dollars)
            assert before is after is None or abs(after - 2 * before) <= Decimal("0.000000000002")


def test_every_entry_has_a_source_and_is_in_the_price_list() -> None:
    assert all(source.startswith("https://") for source in SOURCES)
    listed = {(vendor.id, model.id) for vendor in get_snapshot().providers for model in vendor.models}
    for able in CAPABILITIES.values():
        assert (able.provider, able.model) in listed, able.model
        assert able.generation
        assert "text" in able.modalities
    for provider, model in RETIREMENTS:
        assert (provider, model) in listed, model
    for able in successors(NOW.date()):
        assert PRICES.rates(able.provider, able.model, 0, NOW) is not None, able.model
        assert PRICES.context_window(able) is not None, able.model


def test_every_retirement_has_a_plausible_date_and_names_a_listed_model() -> None:
    assert {type(retirement.retires_on) for retirement in RETIREMENTS.values()} == {date}
    for (provider, _), retirement in RETIREMENTS.items():
        assert 2025 <= retirement.retires_on.year <= 2030
        assert retirement.replacement is None or (provider, retirement.replacement) in CAPABILITIES


@pytest.mark.parametrize("events", [0, 1, 5])
async def test_the_endpoint_with_few_events(ada: Member, bob: Member, events: int) -> None:
    await bob.track()
    if events:
        await ada.batch(*[call(id=str(number), cost=None) for number in range(events)])
    found = await ada.get("/api/recommendations/model-switching")
    assert found["count"] == len(found["recommendations"])
    assert (found["basis"]["calls"], found["basis"]["sampled_calls"]) == (events, events)
    if not events:
        assert (found["count"], found["total_potential_savings"], found["left_out"]) == (0, 0, [])
        return
    luna = next(one for one in found["recommendations"] if one["suggested_model"] == "gpt-6-luna")
    assert luna["calls"] == events
    assert luna["current_cost"] == pytest.approx(0.0075 * events, abs=1e-12)
    assert luna["suggested_cost_per_call"] == 0.00035
    assert found["total_potential_savings"] == found["recommendations"][0]["estimated_monthly_savings"]


async def test_the_sample_is_bounded_and_holds_calls_of_each_model(
    url: str, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    workspace = await sql.fetchval(
        "insert into public.workspaces (id, name, created_at) values (gen_random_uuid(), 'w', now()) returning id"
    )
    await sql.execute(
        "insert into public.events (workspace_id, id, timestamp, created_at, user_id, input_tokens, cache_read_tokens,"
        " cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, pricing, provider,"
        " model, project, status)"
        " select $1, gen_random_uuid(), $2::timestamptz + n * interval '5 minutes', now(), $1, n, 0, 0, 0, 1, 0, 1,"
        " 'caller', 'p', case when n % 10 = 0 then 'rare' else 'usual' end, '', 'success'"
        " from generate_series(1, 3000) n",
        workspace,
        datetime(2026, 11, 1, tzinfo=UTC),
    )
    await sql.execute("select public.rebuild_rollups($1, '-infinity')", workspace)
    found = await sql.fetchval(
        "select public.model_usage($1, $2, $3, 'UTC', 100) -> 'sample'",
        workspace,
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 11, 20, tzinfo=UTC),
    )
    sample = json.loads(found.encode())
    counts = {model: [row["input_tokens"] for row in sample if row["model"] == model] for model in ("rare", "usual")}
    assert {model: len(set(tokens)) for model, tokens in counts.items()} == {"rare": 50, "usual": 50}
    # Spread evenly over the calls, so their mean is that of all.
    assert all(abs(sum(tokens) / 50 - 1500) < 60 for tokens in counts.values())
