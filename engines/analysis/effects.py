"""The difference in cost of one model in one project between two periods, split into its causes to the last digit.

In each period the cost of a cell, which is one model in one project, is a product:

    cost = calls of the project x the model's share of them x share with a known price x cost of such a call
    cost of a call = prompt tokens x sum over kinds (share of the kind x its rate) + output tokens x their rate + fee

The rates are those of the price book, scaled in each cell and period so that the stored cost is met. Where it has
none, or they lead to 0 and the stored cost is not 0, every token weighs the same, and without tokens every call. Calls
without a known price count as being as long as the others.

The difference is split by Shapley values: the effect of a cause is what changing it alone does to the cost, averaged
over all orders in which the causes can change. No order is preferred, swapping the periods flips every sign, and the
effects add up. They are rounded to 12 places, and the remainder goes to the largest effect of the cell, so that the
sum is exact. What is not defined in one period (the length of no calls, the rate of no price) is as in the other.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

from providers import NO_CUSTOM_PRICES, CustomPrices, PriceBook
from schemas.comparison import PeriodUsage
from schemas.usage import Rates

_ZERO, _ONE = Decimal(0), Decimal(1)
# Rounded to the first before the second, so that an error far behind both does not decide how a half is rounded.
_GUARD, _PICODOLLAR = Decimal("1e-30"), Decimal("1e-12")
# The factors of the cost of a cell, in the order of `_Product`.
_CAUSES = ("volume", "model_mix", "priced_share", "tokens_per_call", "cache_hit_rate", "price")
# Share of all orders in which a given k of the other five causes change before one: k! (5 - k)! / 6!, times 60.
_WEIGHTS = (10, 2, 1, 1, 2, 10)
_WEIGHTS_ARE_TIMES = 60
# For each cause, the sets of others that can have changed before it: bit i stands for cause i.
_WITHOUT = [[index for index in range(64) if not index >> bit & 1] for bit in range(6)]

T = TypeVar("T")
Key = tuple[str | None, str, str]


class Cell(NamedTuple):
    """The use of one model in one project (None for no project) in a period: counts, which may be means, and USD.

    `input_tokens` is the uncached part of the prompts. The tokens are those of all calls, the cost is that of the
    priced ones. `rates` are those of the period for a prompt of the cell's mean length; None when none are known.
    """

    project: str | None
    provider: str
    model: str
    calls: Decimal
    unpriced_calls: Decimal
    input_tokens: Decimal
    cache_read_tokens: Decimal
    cache_write_5m_tokens: Decimal
    cache_write_1h_tokens: Decimal
    output_tokens: Decimal
    cost: Decimal
    rates: Rates | None = None

    @property
    def key(self) -> Key:
        """The key that matches the cells of two periods."""
        return self.project, self.provider, self.model

    @property
    def prompts(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The tokens of the prompts by kind."""
        return self.input_tokens, self.cache_read_tokens, self.cache_write_5m_tokens, self.cache_write_1h_tokens


class _Product(NamedTuple):
    """A cell's cost as a product.

    `lengths` are the tokens of prompt and output per call, `kinds` the shares of the prompt, and `rates` USD per token
    of each of those kinds, per token of the output, and per call.
    """

    volume: Decimal
    share: Decimal
    priced: Decimal
    lengths: tuple[Decimal, Decimal]
    kinds: tuple[Decimal, ...]
    rates: tuple[Decimal, ...]


def cell_of(used: PeriodUsage, prices: PriceBook, at: datetime, own: CustomPrices = NO_CUSTOM_PRICES) -> Cell:
    """The use of a period, with the rates at a moment of it for a prompt of mean length."""
    prompts = used.input_tokens + used.cache_read_tokens + used.cache_write_5m_tokens + used.cache_write_1h_tokens
    length = int(prompts / used.calls) if used.calls else 0
    return Cell(**used.__dict__, rates=prices.rates(used.provider, used.model, length, at, own))


def effects_on(before: Cell, after: Cell, old: Decimal, new: Decimal) -> dict[str, Decimal]:
    """The effect of each cause on the cost of a cell whose project made `old` and `new` calls in the periods.

    It is the Shapley value, rounded so that all of them add up to the difference.
    """
    both = _products(before, after, old, new)
    # The cost of a cell of which some causes have changed: bit i of an index says whether cause i has.
    outer = [both[index & 1].volume * both[index >> 1 & 1].share * both[index >> 2].priced for index in range(8)]
    inner = [
        _cost_of_call(both[index & 1].lengths, both[index >> 1 & 1].kinds, both[index >> 2].rates) for index in range(8)
    ]
    costs = [outer[index & 7] * inner[index >> 3] for index in range(64)]
    effects = {}
    for bit, cause in enumerate(_CAUSES):
        # By the number of the other causes that have changed already.
        sums = [_ZERO] * 6
        for index in _WITHOUT[bit]:
            sums[index.bit_count()] += costs[index | 1 << bit] - costs[index]
        total = sum((weight * part for weight, part in zip(_WEIGHTS, sums, strict=True)), _ZERO)
        effects[cause] = (total / _WEIGHTS_ARE_TIMES).quantize(_GUARD).quantize(_PICODOLLAR)
    largest = max(_CAUSES, key=lambda cause: abs(effects[cause]))
    effects[largest] += after.cost - before.cost - sum(effects.values(), _ZERO)
    return effects


def _products(before: Cell, after: Cell, old: Decimal, new: Decimal) -> tuple[_Product, _Product]:
    """The products of a cell whose project made `old` and `new` calls in the periods."""
    cells = before, after
    priced = _pair([(c.calls - c.unpriced_calls) / c.calls if c.calls else None for c in cells], _ONE)
    lengths = _pair(
        [(sum(c.prompts, _ZERO) / c.calls, c.output_tokens / c.calls) if c.calls else None for c in cells],
        (_ZERO, _ZERO),
    )
    kinds = _pair([_shares(cell.prompts) for cell in cells], (_ONE, _ZERO, _ZERO, _ZERO))
    rates = _rates(before, after, lengths, kinds)
    return (
        _Product(old, before.calls / old, priced[0], lengths[0], kinds[0], rates[0]),
        _Product(new, after.calls / new, priced[1], lengths[1], kinds[1], rates[1]),
    )


def _pair(values: Sequence[T | None], default: T) -> tuple[T, T]:
    """Two values; one that is None takes the value of the other, and two the default."""
    before, after = values
    known = after if before is None else before
    if known is None:
        known = default
    return (known if before is None else before), (known if after is None else after)


def _shares(parts: Sequence[Decimal]) -> tuple[Decimal, ...] | None:
    total = sum(parts, _ZERO)
    return tuple(part / total for part in parts) if total else None


def _rates(
    before: Cell,
    after: Cell,
    lengths: tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]],
    kinds: tuple[tuple[Decimal, ...], tuple[Decimal, ...]],
) -> tuple[tuple[Decimal, ...], tuple[Decimal, ...]]:
    """USD per token of each kind and per call: rates scaled so that each period's cost is met."""
    same = (_ONE, _ONE, _ONE, _ONE, _ONE, _ZERO)
    by_call = (_ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ONE)
    listed = _pair([_listed(before), _listed(after)], same)
    for candidate in (listed, (same, same), (by_call, by_call)):
        scales: list[Decimal | None] = []
        for cell, length, kind, rates in zip((before, after), lengths, kinds, candidate, strict=True):
            paid_for = cell.calls - cell.unpriced_calls
            modelled = _cost_of_call(length, kind, rates)
            if not paid_for or (not modelled and not cell.cost):
                scales.append(None)
            elif modelled:
                scales.append(cell.cost / paid_for / modelled)
            else:
                break
        if len(scales) == 2:
            break
    scaled = [
        None if scale is None else tuple(rate * scale for rate in rates)
        for scale, rates in zip(scales, candidate, strict=True)
    ]
    return _pair(scaled, candidate[1])


def _listed(cell: Cell) -> tuple[Decimal, ...] | None:
    rates = cell.rates
    if rates is None:
        return None
    kinds = (rates.input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.output, rates.request)
    return tuple(rate or _ZERO for rate in kinds)


def _cost_of_call(lengths: tuple[Decimal, Decimal], kinds: Sequence[Decimal], rates: Sequence[Decimal]) -> Decimal:
    """USD for a call of these lengths and kinds of prompt tokens, at these rates."""
    prompt = sum((kind * rate for kind, rate in zip(kinds, rates[:4], strict=True)), _ZERO)
    return lengths[0] * prompt + lengths[1] * rates[4] + rates[5]
