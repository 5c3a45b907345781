"""Avoidable cost: each recommendation with its amount and evidence, and none without evidence."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from math import exp
from random import Random
from typing import Any

import pytest

from engines.analysis.optimizations import missing_evidence, optimizations
from schemas.recommendations import Optimization
from tests.support.team import Member, call
from tests.support.windows import GPT_4O, NOW, SONNET, day, percent_of_list, project, sampled, ten_days, window

# A model without a successor or a retirement date.
LUNA: dict[str, Any] = {"provider": "openai", "model": "gpt-6-luna"}


def of(kind: str, *given: Any, **parts: Any) -> list[Optimization]:
    """The recommendations of that type."""
    return [one for one in optimizations(window(*given, **parts)) if one.type == kind]


def hashed(seconds: float, prompt_hash: str = "h", **changes: Any) -> dict[str, Any]:
    """One of the newest calls, at this number of seconds after noon."""
    return {
        **GPT_4O,
        "project": "",
        "timestamp": NOW + timedelta(seconds=seconds),
        "status": "error",
        "cost": "0.0025",
        "prompt_hash": prompt_hash,
        **changes,
    }


def test_the_cost_of_failed_calls_is_reported() -> None:
    failing = [*ten_days()[:-1], day(errors=7, error_cost="0.0525")]
    (found,) = of("failed_calls", failing)
    assert "7 of 100 calls" in found.description
    # 0.0525 in ten days, times 3
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.0525"), Decimal("0.1575"))
    assert found.evidence == {"calls": 100, "failed_calls": 7}
    assert of("failed_calls", [*ten_days()[:-1], day(errors=1, error_cost="0.0074")]) == []


def test_caching_that_costs_more_than_it_saves_is_reported() -> None:
    # 1,000,000 x (3.75 - 3) written, less 100,000 x (3 - 0.30) read, USD per million
    cached = day(10, **SONNET, cache_write_5m_tokens=1_000_000, cache_read_tokens=100_000)
    (found,) = of("cache_loss", [cached])
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.48"), Decimal("1.44"))
    assert found.evidence == {"written_tokens": 1_000_000, "read_tokens": 100_000}
    assert of("cache_loss", [{**cached, "cache_read_tokens": 1_000_000}]) == []


def test_an_uncached_common_prefix_is_reported() -> None:
    used = ten_days(calls=200, **SONNET)
    sample = [sampled(5000, **SONNET, prefix_hash="rules", prefix_tokens=2000)] * 5 + [sampled(5000, **SONNET)] * 5
    (found,) = of("caching_unused", used, sample=sample, projects=[project(2000, **SONNET)])
    # Half of 200 calls in the hour from noon: 100 in an hour, 100 / 12 within five minutes.
    hit = 1 - exp(-100 / 12)
    # 2,000 tokens of 1,000 calls: 3 - 0.30 saved on a hit, 3.75 - 3 lost on a miss, USD per million
    saved = 2 * (hit * 2.7 - (1 - hit) * 0.75)
    assert float(found.estimated_monthly_savings or 0) == pytest.approx(3 * saved, rel=1e-9)
    assert found.cost == 6
    assert (found.evidence["calls_alike"], found.evidence["prefix_tokens"]) == (Decimal(5), Decimal(2000))
    assert found.confidence == "high"


def test_a_common_prefix_must_be_long_repeated_and_uncached() -> None:
    used, projects = ten_days(calls=200, **SONNET), [project(2000, **SONNET)]

    def sample(prompt: int, **changes: Any) -> list[dict[str, Any]]:
        return [sampled(prompt, **SONNET, **{"prompt_hash": "same", **changes})] * 5

    assert of("caching_unused", used, sample=sample(1023), projects=projects) == []
    assert of("caching_unused", used, sample=sample(4000, cache_read_tokens=2000), projects=projects) == []
    assert of("caching_unused", used, sample=sample(4000)[:2], projects=projects) == []
    assert of("caching_unused", used, sample=sample(4000, prompt_hash=None), projects=projects) == []
    (found,) = of("caching_unused", used, sample=sample(1024), projects=projects)
    assert found.evidence["prefix_tokens"] == 1024
    assert found.confidence == "medium"
    # Spread so thinly that the cache expires before it is read, caching would only cost more.
    rare = [day(10, calls=10, **SONNET)]
    assert of("caching_unused", rare, sample=sample(4000), projects=[project(10, **SONNET)]) == []


def test_calls_tagged_as_batch_save_half() -> None:
    parts = {"sample": [sampled(tier="batch")] * 8 + [sampled()] * 2, "projects": [project()]}
    (found,) = of("batch", ten_days(), **parts)
    # 0.5 x 0.8 x 0.75 in ten days, times 3
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.6"), Decimal("0.9"))
    assert found.evidence == {"calls": 100, "share": Decimal("0.8"), "sampled_calls": 10, "discount": Decimal("0.5")}
    assert found.confidence == "high"
    assert of("batch", ten_days(), sample=[sampled(tier="interactive")] * 10, projects=[project()]) == []


def test_the_batch_discount_excludes_cached_tokens() -> None:
    parts = {"sample": [sampled(tier="batch")] * 5, "projects": [project(cache_read_tokens=100_000)]}
    (found,) = of("batch", ten_days(), **parts)
    # 0.5 x (0.75 - 100,000 x 1.25 per million), times 3
    assert found.estimated_monthly_savings == Decimal("0.9375")


def test_a_burst_at_night_may_be_batched() -> None:
    nightly = project(hours={2: 60, 3: 20, 14: 20}, name="reports", project="reports")
    (found,) = of("batch", ten_days(), projects=[nightly])
    assert found.evidence["share"] == Decimal("0.8")
    assert found.estimated_monthly_savings == Decimal("0.9")
    assert (found.project, found.confidence) == ("reports", "medium")
    assert "between 1:00 and 4:00" in found.description
    for changes in (
        {"hours": {2: 59, 3: 20, 14: 21}},
        {"hours": {13: 100}},
        {"first_at": NOW - timedelta(days=2)},
        {"provider": "mistral", "model": "mistral-large-4"},
    ):
        row = {**nightly, **changes}
        assert of("batch", ten_days(provider=row["provider"], model=row["model"]), projects=[row]) == []


def test_unusually_long_prompts_are_reported() -> None:
    used, projects = ten_days(**LUNA), [project(**LUNA, project="crawler", name="crawler", input_tokens=1_000_000)]
    sample = [sampled(1000, **LUNA)] * 20
    sample += [sampled(prompt, **LUNA, project="crawler") for prompt in [1000] * 7 + [11_000] * 3]
    (found,) = of("oversized_prompts", used, sample=sample, projects=projects)
    # 3 x (11,000 - 4,000) of 40,000 sampled tokens, of 1,000,000 tokens at 0.10 USD per million
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.0525"), Decimal("0.1575"))
    assert found.project == "crawler"
    assert (found.evidence["median_prompt"], found.evidence["oversized_calls"]) == (Decimal(1000), Decimal(3))
    assert of("oversized_prompts", used, sample=sample[:-1], projects=projects) == []


def test_a_repeated_prompt_is_reported() -> None:
    storm = [hashed(0), hashed(50), hashed(110), hashed(171, status="success")]
    (found,) = of("retry_storm", ten_days(), newest=storm)
    # Three within a minute of one another; the fourth comes 61 seconds later.
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.005"), None)
    assert found.evidence == {"runs": 1, "repeated_calls": 2, "failed_calls": 3}
    assert of("retry_storm", ten_days(), newest=storm[:2]) == []
    assert of("retry_storm", ten_days(), newest=[hashed(0), hashed(1, "other"), hashed(2), hashed(3, "third")]) == []


def test_an_unused_output_limit_is_reported() -> None:
    sample = [sampled(output=100, **LUNA, max_tokens=1100)] * 20
    (found,) = of("unused_output_limit", ten_days(**LUNA), sample=sample)
    # 1,000 tokens at 0.50 USD per million, 100 calls
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.05"), Decimal(0))
    assert found.evidence["held_per_call"] == Decimal("0.0005")
    assert of("unused_output_limit", ten_days(**LUNA), sample=[{**sample[0], "max_tokens": 399}] * 20) == []
    assert of("unused_output_limit", ten_days(**LUNA), sample=sample[:9]) == []


def test_a_newer_and_cheaper_model_of_the_line_is_suggested() -> None:
    (found,) = of("price_cut", ten_days(), sample=[sampled()])
    # 0.75 - 100 x (1,000 x 2 + 500 x 10 per million), in ten days, times 3
    assert "gpt-6.1-sol succeeds gpt-4o" in found.description
    assert found.estimated_monthly_savings == Decimal("0.15")
    assert found.evidence == {"current_cost": Decimal("0.75"), "projected_cost": Decimal("0.7")}
    assert of("price_cut", ten_days(**LUNA)) == []
    assert of("price_cut", ten_days(unpriced_calls=1)) == []


def test_a_model_close_to_retirement_is_reported() -> None:
    (found,) = of("retirement", ten_days())
    assert "retires gpt-4o on 2027-01-14; the recommended replacement is gpt-6.1-sol" in found.description
    assert "https://developers.openai.com/" in found.description
    assert (found.cost, found.estimated_monthly_savings) == (Decimal("0.75"), None)
    assert found.evidence == {"days_left": 55, "calls": 100, "cost_a_month": Decimal("2.25")}
    assert of("retirement", ten_days(**LUNA)) == []
    assert of("retirement", [day(8)]) == []
    early = datetime(2026, 10, 1, tzinfo=NOW.tzinfo)
    used = [day(day=date(2026, 9, 30), first_at=early - timedelta(days=1))]
    assert of("retirement", used, at=early) == []
    (gone,) = of("retirement", ten_days(model="gpt-4"))
    assert "retired gpt-4 on 2026-10-23" in gone.description


def full(random: Random) -> dict[str, Any]:
    """Parts of a window of which each kind of advice follows."""
    sample = [sampled(4000, **SONNET, prefix_hash="a", max_tokens=9000, tier="batch") for _ in range(20)]
    sample += [sampled(30_000, **SONNET) for _ in range(3)]
    return {
        "sample": random.sample(sample, len(sample)),
        "projects": [project(2000, **SONNET, cost="30")],
        "newest": [hashed(second, **SONNET, cost="0.5") for second in range(3)],
    }


def test_the_order_of_calls_changes_nothing_and_twice_the_prices_are_twice_the_dollars() -> None:
    used = ten_days(calls=200, **SONNET, errors=9, error_cost="0.6", cost="3")
    retired = ten_days(error_cost="0.01")
    found = optimizations(window([*used, *retired], **full(Random(1))))
    assert {one.type for one in found} >= {
        "failed_calls",
        "retry_storm",
        "caching_unused",
        "batch",
        "oversized_prompts",
        "unused_output_limit",
        "price_cut",
        "retirement",
    }
    savings = [one.estimated_monthly_savings or 0 for one in found]
    assert savings == sorted(savings, reverse=True)
    assert optimizations(window([*retired[::-1], *used[::-1]], **full(Random(2)))) == found

    def dear(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
        return [{**row, **{name: str(2 * Decimal(row[name])) for name in names}} for row in rows]

    parts = full(Random(3))
    parts |= {"projects": dear(parts["projects"], "cost"), "newest": dear(parts["newest"], "cost")}
    twice = optimizations(window(dear([*used, *retired], "cost", "error_cost"), percent_of_list(200), **parts))
    assert [one.type for one in twice] == [one.type for one in found]
    for one, other in zip(found, twice, strict=True):
        assert abs(other.cost - 2 * one.cost) <= Decimal("0.000000000002")
        was, now = one.estimated_monthly_savings, other.estimated_monthly_savings
        assert was is now is None or (was is not None and now is not None and abs(now - 2 * was) < Decimal("1e-11"))


def test_missing_evidence_is_listed() -> None:
    assert missing_evidence(window([])) == []
    poor = window([*ten_days(), day(model="mystery", unpriced_calls=10, cost="0")], sample=[sampled(2000)])
    assert [missing.what for missing in missing_evidence(poor)] == [
        "repeated prompt prefixes",
        "repeated prompts",
        "calls that allow delay",
        "output limits",
        "ratings",
        "prices",
    ]
    complete = sampled(2000, prefix_hash="a", max_tokens=100, tier="batch")
    ratings = [{**GPT_4O, "ratings": 1, "average_rating": 5}]
    assert missing_evidence(window(ten_days(), sample=[complete], ratings=ratings, newest=[hashed(0)])) == []
    # Prompts too short to be cached need no hash.
    short = [missing.what for missing in missing_evidence(window(ten_days(), sample=[sampled(1000)]))]
    assert "repeated prompt prefixes" not in short


@pytest.mark.parametrize("events", [0, 1, 5])
async def test_the_endpoint_with_few_events(ada: Member, bob: Member, events: int) -> None:
    await bob.track()
    if events:
        evidence = {
            "tags": {"tier": "batch"},
            "metadata": {"prompt_hash": "h", "max_tokens": 4000, "prefix_tokens": "no"},
        }
        await ada.batch(*[call(id=str(number), status="error", **evidence) for number in range(events)])
    advice = await ada.get("/api/recommendations", tz="Europe/Berlin")
    types = {one["type"] for one in advice["optimizations"]}
    if not events:
        assert (types, advice["missing_evidence"], advice["model_recommendations"]) == (set(), [], [])
        return
    failed = next(one for one in advice["optimizations"] if one["type"] == "failed_calls")
    assert failed["cost"] == pytest.approx(0.0075 * events, abs=1e-12)
    assert failed["evidence"] == {"calls": events, "failed_calls": events}
    assert advice["model_recommendations"][0]["current_model"] == "gpt-4o"
    assert [missing["what"] for missing in advice["missing_evidence"]] == ["ratings"]
    assert ("retry_storm" in types, "batch" in types) == (events == 5, events == 5)
