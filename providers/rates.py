"""The rates of one model, compiled from the price data so that pricing a call takes a few multiplications."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime, time
from decimal import Decimal

from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from schemas.usage import Rates

# Price keys of each disjoint part of a usage, most specific first: the first one with a price is charged.
_PRICE_KEYS = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
}
_MILLION = Decimal(1_000_000)
_REQUESTS = Decimal(1_000)
_ZERO = Decimal(0)


class PriceTable:
    """The rates of one price of a model, by the length of the prompt.

    A long prompt may move every part of the call to higher rates (a threshold, not a bracket), so there is one set of
    rates up to the first of the `thresholds` and one above each.
    """

    def __init__(self, price: ModelPrice) -> None:
        self.thresholds = sorted(
            {tier.start for value in _prices(price) if isinstance(value, TieredPrices) for tier in value.tiers}
        )
        self._rates = [_rates_above(price, threshold) for threshold in (-1, *self.thresholds)]

    def rates(self, prompt_tokens: int) -> Rates:
        """The rates for a prompt of this many tokens, its cached part included."""
        return self._rates[bisect_left(self.thresholds, prompt_tokens)]


class ModelRates:
    """A model's price tables and the times when they hold."""

    def __init__(self, model: ModelInfo) -> None:
        prices = model.prices
        if isinstance(prices, ModelPrice):
            self._always: PriceTable | None = PriceTable(prices)
            self._dated: list[tuple[_Constraint, PriceTable]] = []
        else:
            # The last price whose constraint holds is the one; if none holds, the first.
            self._always = None
            self._dated = [(_Constraint(p.constraint), PriceTable(p.prices)) for p in reversed(prices)]

    def at(self, moment: datetime) -> PriceTable:
        """The price table that holds at a moment in UTC."""
        if self._always is not None:
            return self._always
        for constraint, table in self._dated:
            if constraint.holds(moment):
                return table
        return self._dated[-1][1]


class _Constraint:
    """The time a price holds: from a date on, during a daily interval, or always. Dates begin at midnight UTC."""

    def __init__(self, constraint: StartDateConstraint | TimeOfDateConstraint | None) -> None:
        self._since = None
        self._daily = None
        if isinstance(constraint, StartDateConstraint):
            self._since = datetime.combine(constraint.start_date, time.min, UTC)
        elif constraint is not None:
            self._daily = constraint

    def holds(self, moment: datetime) -> bool:
        if self._since is not None:
            return moment >= self._since
        return self._daily is None or self._daily.active(moment)


def _prices(price: ModelPrice) -> Iterable[Decimal | TieredPrices]:
    return [value for value in vars(price).values() if value is not None]


def _rates_above(price: ModelPrice, threshold: int) -> Rates:
    """The rates for prompts longer than the threshold, up to the next one."""

    def per_token(part: str) -> Decimal | None:
        value = next((v for key in _PRICE_KEYS[part] if (v := getattr(price, key)) is not None), None)
        return None if value is None else _applicable(value, threshold) / _MILLION

    request = getattr(price, "requests_kcount", None)
    return Rates(
        input=per_token("input"),
        cache_read=per_token("cache_read"),
        cache_write_5m=per_token("cache_write_5m"),
        cache_write_1h=per_token("cache_write_1h"),
        output=per_token("output"),
        reasoning=per_token("reasoning"),
        request=_ZERO if request is None else _applicable(request, threshold) / _REQUESTS,
    )


def _applicable(price: Decimal | TieredPrices, threshold: int) -> Decimal:
    if not isinstance(price, TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= threshold), price.base)
