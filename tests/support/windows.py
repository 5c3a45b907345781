"""Windows of usage for recommendations."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from engines.analysis.workloads import Window
from providers import CustomPrices, PriceBook
from schemas.prices import CustomPrice
from schemas.usage_history import ModelUsage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 10, 22, tzinfo=UTC)
PRICES = PriceBook()
GPT_4O: dict[str, Any] = {"provider": "openai", "model": "gpt-4o"}
SONNET: dict[str, Any] = {"provider": "anthropic", "model": "claude-sonnet-4-6"}


def day(ago: int = 1, calls: int = 10, **changes: Any) -> dict[str, Any]:
    """A day of calls to gpt-4o of 1,000 uncached and 500 output tokens, 0.0075 USD each."""
    at = NOW - timedelta(days=ago)
    return {
        **GPT_4O,
        "day": at.date(),
        "first_at": at,
        "calls": calls,
        "errors": 0,
        "unpriced_calls": 0,
        "input_tokens": 1000 * calls,
        "cache_read_tokens": 0,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "output_tokens": 500 * calls,
        "reasoning_tokens": 0,
        "cost": str(Decimal("0.0075") * calls),
        "error_cost": "0",
        **changes,
    }


def ten_days(**changes: Any) -> list[dict[str, Any]]:
    """100 calls over the ten days up to now."""
    return [day(ago, **changes) for ago in range(10, 0, -1)]


def sampled(prompt: int = 1000, output: int = 500, **changes: Any) -> dict[str, Any]:
    """A call of the sample."""
    return {
        **GPT_4O,
        "project": "",
        "input_tokens": prompt,
        "cache_read_tokens": 0,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "output_tokens": output,
        "reasoning_tokens": 0,
        "usage_detail": {},
        **dict.fromkeys(("tier", "prompt_hash", "prefix_hash", "prefix_tokens", "max_tokens")),
        **changes,
    }


def project(calls: int = 100, **changes: Any) -> dict[str, Any]:
    """The calls of a project in ten days, all at noon."""
    return {
        **GPT_4O,
        "project": "",
        "name": None,
        "first_at": NOW - timedelta(days=10),
        "last_at": NOW - timedelta(days=1),
        "calls": calls,
        "input_tokens": 1000 * calls,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "cost": str(Decimal("0.0075") * calls),
        "hours": {12: calls},
        **changes,
    }


def percent_of_list(percent: int) -> CustomPrices:
    """Custom prices as a percentage of the list prices, for all models of the vendors that are suggested."""
    return CustomPrices(
        [
            CustomPrice(
                id=uuid4(),
                provider=provider,
                model="*",
                starts_at=START,
                ends_at=None,
                percent_of_list=Decimal(percent),
                input=None,
                cache_read=None,
                cache_write=None,
                cache_write_1h=None,
                output=None,
                reasoning=None,
                request=None,
                created_by=uuid4(),
                created_at=START,
            )
            for provider in ("openai", "anthropic", "google", "mistral", "cohere")
        ]
    )


def window(days: Sequence[Any], own: CustomPrices | None = None, at: datetime = NOW, **parts: Any) -> Window:
    """A window of those days, and of these other parts."""
    empty: dict[str, Any] = {name: [] for name in ("projects", "ratings", "sample", "newest", "prices")}
    usage = ModelUsage.model_validate({**empty, "days": list(days), **parts})
    return Window(usage, PRICES, own or CustomPrices([]), START, at, at.date())
