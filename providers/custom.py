"""A workspace's custom prices by its contracts, which come before the price list."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Context, Decimal
from functools import lru_cache

from schemas.prices import CustomPrice
from schemas.usage import Rates, Usage
from utils.patterns import Pattern

_MILLION = Decimal(1_000_000)
# Wide enough that a percentage of any list price keeps every digit.
_EXACT = Context(prec=100)
_MOST_CACHED = 10_000


class CustomPrices:
    """The custom prices of one workspace.

    Of the prices in force at a moment, the one with the longest pattern that fits the model is used, and of equally
    long ones the one that started last.
    """

    def __init__(self, prices: Sequence[CustomPrice]) -> None:
        ordered = sorted(prices, key=lambda price: (len(price.model), price.starts_at), reverse=True)
        patterns = [(price, Pattern(price.model)) for price in ordered]

        @lru_cache(_MOST_CACHED)
        def fitting(provider: str, model: str) -> list[CustomPrice]:
            names = (model, f"{provider}/{model}")
            return [
                price
                for price, pattern in patterns
                if price.provider == provider and any(pattern.fits(name) for name in names)
            ]

        self._any = bool(patterns)
        self._fitting = fitting

    def __bool__(self) -> bool:
        return self._any

    def find(self, provider: str, model: str, at: datetime) -> CustomPrice | None:
        """The price at a moment of a model of the provider with that id; None when there is none."""
        for price in self._fitting(provider, model):
            if price.starts_at <= at and (price.ends_at is None or at < price.ends_at):
                return price
        return None


NO_CUSTOM_PRICES = CustomPrices([])


def custom_cost(price: CustomPrice, usage: Usage, listed: Decimal | None) -> Decimal | None:
    """USD for a usage whose list price is `listed`; None for a percentage of an unknown price."""
    if price.percent_of_list is not None:
        return None if listed is None else _EXACT.multiply(listed, _share(price.percent_of_list))
    rates = custom_rates(price, None)
    assert rates is not None
    return rates.cost(usage)


def custom_rates(price: CustomPrice, listed: Rates | None) -> Rates | None:
    """USD per token with the list rates `listed`.

    A kind of token that an absolute price leaves out costs as much as the nearest kind.
    """
    if price.percent_of_list is not None:
        if listed is None:
            return None
        share = _share(price.percent_of_list)
        return Rates._make(None if rate is None else _EXACT.multiply(rate, share) for rate in listed)
    assert price.input is not None and price.output is not None
    cache_write = price.input if price.cache_write is None else price.cache_write
    return Rates(
        input=price.input / _MILLION,
        cache_read=(price.input if price.cache_read is None else price.cache_read) / _MILLION,
        cache_write_5m=cache_write / _MILLION,
        cache_write_1h=(cache_write if price.cache_write_1h is None else price.cache_write_1h) / _MILLION,
        output=price.output / _MILLION,
        reasoning=(price.output if price.reasoning is None else price.reasoning) / _MILLION,
        request=price.request or Decimal(0),
    )


def _share(percent: Decimal) -> Decimal:
    return percent.scaleb(-2, _EXACT)
