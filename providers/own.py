"""What a workspace pays by its own contracts, ahead of the price list."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Context, Decimal

from schemas.prices import OwnPrice
from schemas.usage import Rates, Usage
from utils.patterns import Pattern

_MILLION = Decimal(1_000_000)
# Wide enough that a percentage of any list price keeps every digit.
_EXACT = Context(prec=100)
_REMEMBERED = 10_000


class OwnPrices:
    """The own prices of one workspace.

    Of those in force at a moment the one with the longest pattern that fits the model is used, and of equally long ones
    the one that started last.
    """

    def __init__(self, prices: Sequence[OwnPrice]) -> None:
        ordered = sorted(prices, key=lambda price: (len(price.model), price.starts_at), reverse=True)
        self._prices = [(price, Pattern(price.model)) for price in ordered]
        self._fitting: dict[tuple[str, str], list[OwnPrice]] = {}

    def __bool__(self) -> bool:
        return bool(self._prices)

    def find(self, provider: str, model: str, at: datetime) -> OwnPrice | None:
        """The price of a provider's model at a moment, the provider by its id; None when there is none."""
        fitting = self._fitting.get((provider, model))
        if fitting is None:
            if len(self._fitting) >= _REMEMBERED:
                self._fitting.clear()
            fitting = [price for price, named in self._prices if price.provider == provider and named.fits(model)]
            self._fitting[provider, model] = fitting
        for price in fitting:
            if price.starts_at <= at and (price.ends_at is None or at < price.ends_at):
                return price
        return None


NO_OWN_PRICES = OwnPrices([])


def own_cost(price: OwnPrice, usage: Usage, listed: Decimal | None) -> Decimal | None:
    """USD for a usage whose list price is `listed`; None for a percentage of a price that nobody knows."""
    if price.percent_of_list is not None:
        return None if listed is None else _EXACT.multiply(listed, _share(price.percent_of_list))
    rates = own_rates(price, None)
    assert rates is not None
    return rates.cost(usage)


def own_rates(price: OwnPrice, listed: Rates | None) -> Rates | None:
    """USD per token where the list says `listed`.

    What an absolute price leaves out costs as much as the nearest kind of token.
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
