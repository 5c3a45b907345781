"""Prices: exactly what the price list says, for every model in it."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices

from providers import PriceBook
from providers.base import Model
from schemas.usage import Usage
from utils.errors import Invalid

PRICES = PriceBook()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def prices_of(model: ModelInfo) -> list[ModelPrice]:
    return [model.prices] if isinstance(model.prices, ModelPrice) else [entry.prices for entry in model.prices]


def moments(model: ModelInfo) -> Iterator[datetime]:
    """Now, and just before and at each change of the model's prices."""
    yield NOW
    for entry in model.prices if isinstance(model.prices, list) else ():
        constraint = entry.constraint
        if isinstance(constraint, StartDateConstraint):
            change = datetime.combine(constraint.start_date, time.min, UTC)
            yield from (change - timedelta(microseconds=1), change)
        elif constraint is not None:
            for edge in (constraint.start_time, constraint.end_time):
                change = datetime.combine(NOW.date(), edge.replace(tzinfo=None), UTC)
                yield from (change - timedelta(microseconds=1), change)


def usages(model: ModelInfo) -> Iterator[Usage]:
    """Plain, cached, written to the cache for 5 minutes and an hour, and at and above each threshold of the model."""
    yield Usage(1000, output_tokens=500)
    yield Usage(0)
    yield Usage(700, 200, 60, 40, 500, 123)
    yield Usage(0, 0, 0, 1000, 1)
    yield Usage(0, 0, 1000, 0, 1)
    tiers = {
        tier.start
        for price in prices_of(model)
        for value in vars(price).values()
        if isinstance(value, TieredPrices)
        for tier in value.tiers
    }
    for start in tiers:
        for prompt in (start, start + 1):
            yield Usage(prompt, output_tokens=500)
            yield Usage(prompt - 300, 100, 100, 100, 500, 7)


def reported(usage: Usage) -> dict[str, int]:
    """The usage in the fields of the price list, where input and cache_write_tokens include their parts."""
    return {
        "input_tokens": usage.prompt_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "output_tokens": usage.output_tokens,
        "output_reasoning_tokens": usage.reasoning_tokens,
    }


def priced_kinds(model: ModelInfo, at: datetime) -> set[str]:
    return {key for key, value in vars(model.get_prices(at)).items() if value is not None}


def expected(model: ModelInfo, provider: Provider, usage: Usage, at: datetime) -> Decimal | None:
    """The result of the price list's own calculation; None where it has no price for a part of the usage."""
    kinds = priced_kinds(model, at)
    tokens = {"input_mtok", "output_mtok"} | ({"cache_read_mtok"} if usage.cache_read_tokens else set())
    price = model.calc_price(genai_prices.Usage(**reported(usage)), provider, genai_request_timestamp=at)
    if model.id.endswith(":free") and not any(priced_kinds(model, moment) for moment in moments(model)):
        return Decimal(0)
    if not any(vars(entry) for entry in prices_of(model)):
        return None
    if price.total_price == 0 and usage.total_tokens and not kinds & tokens:
        return None
    return price.total_price


@pytest.mark.parametrize("provider", get_snapshot().providers, ids=lambda provider: provider.id)
def test_every_model_costs_what_the_price_list_calculates(provider: Provider) -> None:
    for model in provider.models:
        ours = Model(model, provider)
        for at in moments(model):
            for usage in usages(model):
                cost = ours.cost(usage, at)
                wanted = expected(model, provider, usage, at)
                assert cost == wanted, (provider.id, model.id, at, usage, cost, wanted)


def test_a_model_name_is_matched_as_in_the_price_list() -> None:
    for provider in get_snapshot().providers:
        for model in provider.models[:20]:
            found = PRICES.provider(provider.id)
            assert found is not None
            listed = provider.find_model(model.id, all_providers=get_snapshot().providers)
            mine = found.find(model.id)
            assert (mine and mine.id) == (listed and listed.id)


@pytest.mark.parametrize(
    ("provider", "model", "cost"),
    [
        ("openai", "gpt-4o", "0.0075"),
        ("openai", "openai/gpt-4o", "0.0075"),
        ("OpenAI", "gpt-4o", "0.0075"),
        ("openai", "gpt-4o-2024-08-06", "0.0075"),
        ("azure", "gpt-4o", "0.0075"),
        ("google", "models/gemini-2.5-flash", "0.00155"),
        ("anthropic", "claude-sonnet-4-5", "0.0105"),
        ("google", "palm-2", "0.002"),
        ("google", "PaLM-2", "0.002"),
        ("openai", "gpt-4o-banana", None),
        ("openai", "gpt-4o-2099-01-01", None),
        ("anthropic", "gpt-4o", None),
        ("openai", "anthropic/gpt-4o", None),
        ("openai", "", None),
        ("no-vendor", "gpt-4o", None),
        ("", "gpt-4o", None),
        ("github-copilot", "gpt-4o", None),
    ],
)
def test_a_model_never_gets_the_price_of_another(provider: str, model: str, cost: str | None) -> None:
    price = PRICES.price(provider, model, Usage(1000, output_tokens=500), NOW)
    assert price.cost == (None if cost is None else Decimal(cost))
    assert (price.pricing == "unpriced") == (cost is None)


def test_a_dated_price_applies_from_its_date() -> None:
    o3 = Usage(1000, output_tokens=500)
    before = PRICES.price("openai", "o3", o3, datetime(2025, 6, 9, 23, 59, tzinfo=UTC))
    after = PRICES.price("openai", "o3", o3, datetime(2025, 6, 10, 0, 0, tzinfo=UTC))
    # 10 and 40, then 2 and 8 USD per million
    assert (before.cost, after.cost) == (Decimal("0.03"), Decimal("0.006"))


def test_a_long_prompt_is_charged_at_the_higher_rates_throughout() -> None:
    short = PRICES.price("google", "gemini-2.5-pro", Usage(200_000, output_tokens=1000), NOW)
    long = PRICES.price("google", "gemini-2.5-pro", Usage(200_001, output_tokens=1000), NOW)
    cached = PRICES.price("google", "gemini-2.5-pro", Usage(100_000, 100_001, output_tokens=1000), NOW)
    assert short.cost == Decimal("0.26")  # 200,000 x 1.25 + 1,000 x 10
    assert long.cost == Decimal("0.5150025")  # 200,001 x 2.50 + 1,000 x 15
    assert cached.cost == Decimal("0.29000025")  # 100,000 x 2.50 + 100,001 x 0.25 + 1,000 x 15


def test_a_price_names_its_vendor_also_where_vendors_share_a_model() -> None:
    for vendor in ("azure", "anthropic", "azure"):
        price = PriceBook().price(vendor, "claude-sonnet-4-5", Usage(10, output_tokens=2), NOW)
        assert price.pricing.endswith(f":{vendor}/claude-sonnet-4-5")


def test_the_cost_from_the_caller_overrides_every_list() -> None:
    price = PRICES.price("openai", "gpt-4o", Usage(1000), NOW, given=Decimal("0.5"))
    assert price == (Decimal("0.5"), "caller")


def test_pricing_per_thousand_tokens_as_first_promised() -> None:
    openai = PRICES.provider("openai")
    assert openai is not None
    assert openai.get_model_pricing("gpt-4o") == (Decimal("0.0025"), Decimal("0.01"))
    for unknown in ("gpt-4o-banana", "text-embedding-3-small"):
        with pytest.raises(LookupError):
            openai.get_model_pricing(unknown)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"input_tokens": 10, "cache_read_tokens": 11}, ("11", "10")),
        ({"input_tokens": 10, "cache_read_tokens": 5, "cache_write_1h_tokens": 6}, ("11", "10")),
        ({"input_tokens": 10, "output_tokens": 4, "reasoning_tokens": 5}, ("5", "4")),
    ],
)
def test_inconsistent_counts_are_an_error_that_names_both(parts: dict[str, Any], said: tuple[str, str]) -> None:
    with pytest.raises(Invalid) as raised:
        Usage.of_prompt(**parts)
    assert all(number in raised.value.detail for number in said)


def test_unknown_model_names_do_not_fill_the_memory() -> None:
    from providers.base import _compiled, _find

    before = len(_compiled)
    for number in range(9000):
        PRICES.price("cohere", f"made-up-{number}", Usage(1), NOW)
    assert _find.cache_info().currsize <= 8192
    assert len(_compiled) == before
