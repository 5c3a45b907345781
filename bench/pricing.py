"""The time to price one call, compared with genai-prices."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import genai_prices

from bench.load import undisturbed
from bench.plan import Bench
from bench.report import Figure, Goal, speedup
from bench.server import BenchError
from providers import PriceBook
from schemas.usage import Usage


@dataclass(frozen=True)
class Call:
    """One model call to price."""

    name: str
    provider: str
    model: str
    usage: Usage
    at: datetime

    def ours(self, prices: PriceBook) -> Any:
        """The price from LLMLab."""
        return prices.price(self.provider, self.model, self.usage, self.at).cost

    def theirs(self, usage: genai_prices.Usage) -> Any:
        """The price from genai-prices."""
        return genai_prices.calc_price(
            usage, self.model, provider_id=self.provider, genai_request_timestamp=self.at
        ).total_price

    def their_usage(self) -> genai_prices.Usage:
        """The usage for genai-prices, whose input tokens are the whole prompt."""
        return genai_prices.Usage(
            input_tokens=self.usage.prompt_tokens,
            cache_read_tokens=self.usage.cache_read_tokens or None,
            output_tokens=self.usage.output_tokens,
        )


_NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CALLS = (
    Call("cached tokens", "openai", "gpt-4o-mini", Usage(1_000, cache_read_tokens=9_000, output_tokens=500), _NOON),
    Call("a long-context tier", "google", "gemini-2.5-pro", Usage(250_000, output_tokens=2_000), _NOON),
    Call("a dated price", "openai", "o3", Usage(4_000, output_tokens=800), datetime(2025, 6, 9, tzinfo=UTC)),
)


async def price(bench: Bench) -> None:
    """Measures microseconds per call, and checks that both prices are equal."""
    prices = PriceBook()
    for call in CALLS:
        usage = call.their_usage()
        if call.ours(prices) != call.theirs(usage):
            raise BenchError(f"{call.name}: {call.ours(prices)} instead of {call.theirs(usage)}")
        ours, theirs = [], []
        for _ in bench.turns(f"pricing {call.name}"):
            ours.append(_microseconds(bench.sizes.pricing_calls * 5, partial(call.ours, prices)))
            theirs.append(_microseconds(bench.sizes.pricing_calls, partial(call.theirs, usage)))
        bench.report.rows.append(
            speedup(
                f"Pricing one call, {call.name}",
                Figure.of(ours),
                "µs",
                "genai_prices.calc_price",
                Figure.of(theirs),
                Goal("at least", 20, 50),
            )
        )


def _microseconds(times: int, work: Callable[[], Any]) -> float:
    with undisturbed():
        started = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - started) / times * 1e6
