"""Advice: what stands out, what would have cost less, and silence where the data says nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from engines.recommendations import optimizations, switches
from models import ModelUsage
from providers import PriceBook
from tests.team import Member, call

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 10, 22, tzinfo=UTC)
PRICES = PriceBook()


def used(**changes: Any) -> ModelUsage:
    """100 calls to gpt-4o of 1,000 uncached and 500 output tokens each, over the last ten days."""
    return ModelUsage.model_validate(
        {
            "provider": "openai",
            "model": "gpt-4o",
            "first_at": NOW - timedelta(days=10),
            "calls": 100,
            "errors": 0,
            "unpriced_calls": 0,
            "input_tokens": 100_000,
            "cache_read_tokens": 0,
            "cache_write_5m_tokens": 0,
            "cache_write_1h_tokens": 0,
            "output_tokens": 50_000,
            "reasoning_tokens": 0,
            "cost": "0.75",
            "error_cost": "0",
            **changes,
        }
    )


def test_a_switch_is_priced_on_the_tokens_really_used() -> None:
    (switch,) = switches([used()], PRICES, START, NOW)
    assert (switch.current_model, switch.suggested_model) == ("gpt-4o", "gpt-4o-mini")
    # 1,000 x 2.50 + 500 x 10, and 1,000 x 0.15 + 500 x 0.60, USD per million
    assert switch.current_cost_per_call == Decimal("0.0075")
    assert switch.suggested_cost_per_call == Decimal("0.00045")
    # (0.75 - 0.045) over ten days, times 30
    assert switch.estimated_monthly_savings == Decimal("2.115")


def test_cached_tokens_are_priced_as_cached_on_both_sides() -> None:
    (switch,) = switches([used(input_tokens=0, cache_read_tokens=100_000)], PRICES, START, NOW)
    assert switch.current_cost_per_call == Decimal("0.00625")
    assert switch.suggested_cost_per_call == Decimal("0.000375")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "gpt-4o-mini"},
        {"model": "mystery"},
        {"provider": "nobody"},
        {"unpriced_calls": 1},
        {"calls": 0, "input_tokens": 0, "output_tokens": 0},
    ],
    ids=str,
)
def test_no_switch_where_nothing_cheaper_is_known(changes: dict[str, Any]) -> None:
    assert switches([used(**changes)], PRICES, START, NOW) == []


def test_every_line_up_names_models_of_the_list() -> None:
    for name in ("openai", "anthropic", "google", "mistral", "cohere"):
        provider = PRICES.provider(name)
        assert provider is not None
        for model, smaller in provider.smaller.items():
            assert any(listed.id == model for vendor in get_snapshot().providers for listed in vendor.models), model
            assert provider.find(smaller) is not None, smaller


def test_failed_calls_that_were_paid_for_are_named_with_their_cost() -> None:
    (optimization,) = optimizations([used(errors=7, error_cost="0.0525")], PRICES, NOW)
    assert (optimization.type, optimization.cost) == ("failed_calls", Decimal("0.0525"))
    assert "7 of 100 calls" in optimization.description


def test_caching_that_costs_more_than_it_saves_is_named_with_its_loss() -> None:
    claude = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
    # 1,000,000 x (3.75 - 3) written, less 100,000 x (3 - 0.30) read, USD per million
    cached = used(**claude, cache_write_5m_tokens=1_000_000, cache_read_tokens=100_000)
    (optimization,) = optimizations([cached], PRICES, NOW)
    assert (optimization.type, optimization.cost) == ("cache_loss", Decimal("0.48"))
    worth_it = used(**claude, cache_write_5m_tokens=1_000_000, cache_read_tokens=1_000_000)
    assert optimizations([worth_it], PRICES, NOW) == []


async def test_an_empty_workspace_is_told_nothing(ada: Member) -> None:
    advice = await ada.get("/api/recommendations")
    assert (advice["optimizations"], advice["model_recommendations"], advice["anomalies"]) == ([], [], [])
    switching = await ada.get("/api/recommendations/model-switching")
    assert switching == {"count": 0, "recommendations": [], "total_potential_savings": 0}
    assert (await ada.get("/api/recommendations/anomalies"))["count"] == 0


async def test_advice_from_stored_calls(ada: Member, bob: Member) -> None:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    events = [call(timestamp=(noon - timedelta(days=day)).isoformat(), cost=33 if day == 3 else 1) for day in range(10)]
    await ada.batch(*events, call(status="error"))
    advice = await ada.get("/api/recommendations", days=30, tz="Europe/Berlin")
    assert [entry["cost"] for entry in advice["anomalies"]] == [33]
    assert [entry["type"] for entry in advice["optimizations"]] == ["failed_calls"]
    assert advice["optimizations"][0]["cost"] == 0.0075
    switching = await ada.get("/api/recommendations/model-switching")
    assert switching["count"] == 1
    assert switching["total_potential_savings"] == switching["recommendations"][0]["estimated_monthly_savings"]
    assert (await bob.get("/api/recommendations"))["model_recommendations"] == []
