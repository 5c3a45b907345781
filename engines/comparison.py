"""Why spend changed between two periods: the difference split into its causes, to the last digit.

In each period the cost of a cell, which is one model in one project, is a product:

    cost = calls of the project x the model's share of them x share with a known price x cost of such a call
    cost of a call = prompt tokens x sum over kinds (share of the kind x its rate) + output tokens x their rate + fee

The rates are those the price book knows, scaled in each cell and period so that the stored cost is met. Where it knows
none, or they lead to 0 and the stored cost is not 0, every token weighs the same, and without tokens every call. Calls
without a known price are taken to be as long as the others.

The difference is split by Shapley values: the effect of a cause is what changing it alone does to the cost, averaged
over all orders in which the causes can change. No order is preferred, swapping the periods flips every sign, and the
effects add up. They are rounded to 12 places, and what that leaves is put on the largest effect of the cell, so that
the sum is exact. What is not defined in one period (the length of no calls, the rate of no price) is as in the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import NamedTuple, TypeVar

from providers import NO_OWN_PRICES, OwnPrices, PriceBook
from schemas.comparison import (
    CostEffects,
    Explanation,
    ModelDifference,
    ModelStatus,
    PeriodUsage,
    ProjectDifference,
    UnpricedModel,
)
from schemas.usage import Rates

_ZERO, _ONE = Decimal(0), Decimal(1)
# Wide enough that neither sums nor what is rounded below notice its own rounding.
_WIDE = Context(prec=60)
# Rounded to the first before the second, so that an error far behind both does not decide how a half is rounded.
_GUARD, _PICODOLLAR = Decimal("1e-30"), Decimal("1e-12")
# What the cost of a cell is a product of, in the order of `_Product`.
_CAUSES = ("volume", "model_mix", "priced_share", "tokens_per_call", "cache_hit_rate", "price")
# In what part of all orders a given k of the other five causes change before one: k! (5 - k)! / 6!, times 60.
_WEIGHTS = (10, 2, 1, 1, 2, 10)
_WEIGHTS_ARE_TIMES = 60
# For each cause, the sets of others that can have changed before it: bit i stands for cause i.
_WITHOUT = [[index for index in range(64) if not index >> bit & 1] for bit in range(6)]
_MOST_NAMED = 3
# What has a smaller share in all effects, whatever their signs, is not worth naming.
_WORTH_NAMING = Decimal("0.05")

T = TypeVar("T")
Key = tuple[str | None, str, str]


class Cell(NamedTuple):
    """What one model was used for in one project in a period, None for no project: counts, which may be means, and USD.

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
        """What the cells of two periods are matched by."""
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


def cell_of(used: PeriodUsage, prices: PriceBook, at: datetime, own: OwnPrices = NO_OWN_PRICES) -> Cell:
    """What was used in a period, with the rates that hold at a moment of it for a prompt of mean length."""
    prompts = used.input_tokens + used.cache_read_tokens + used.cache_write_5m_tokens + used.cache_write_1h_tokens
    length = int(prompts / used.calls) if used.calls else 0
    return Cell(**used.__dict__, rates=prices.rates(used.provider, used.model, length, at, own))


def explain(
    before: Iterable[Cell], after: Iterable[Cell], rest: tuple[Decimal, Decimal] = (_ZERO, _ZERO)
) -> Explanation:
    """The difference in cost between two periods and its causes, by project and by model; largest changes first.

    A period has at most one cell of a project, provider and model, and the order of its cells does not matter. `rest`
    is what each period cost beyond its cells; the difference of that is told, and not split.
    """
    with localcontext(_WIDE):
        old, new = {cell.key: cell for cell in before}, {cell.key: cell for cell in after}
        volumes = _volumes(old.values()), _volumes(new.values())
        keys = sorted({*old, *new}, key=lambda key: (key[0] is not None, str(key[0]), key[1:]))
        models = [_change(old.get(key, _nothing(key)), new.get(key, _nothing(key)), volumes) for key in keys]
        models.sort(key=lambda change: -abs(change.difference))
        projects = _projects(models)
        before_cost = sum((model.before_cost for model in models), rest[0])
        after_cost = sum((model.after_cost for model in models), rest[1])
        unpriced = _unpriced(models)
        return Explanation(
            summary=_summary(before_cost, after_cost, projects, models, unpriced),
            before_cost=before_cost,
            after_cost=after_cost,
            difference=after_cost - before_cost,
            effects=_sum([project.effects for project in projects], others=rest[1] - rest[0]),
            projects=projects,
            models=models,
            unpriced=unpriced,
        )


def _volumes(cells: Iterable[Cell]) -> dict[str | None, Decimal]:
    """The calls of each project."""
    volumes: dict[str | None, Decimal] = {}
    for cell in cells:
        volumes[cell.project] = volumes.get(cell.project, _ZERO) + cell.calls
    return volumes


def _nothing(key: Key) -> Cell:
    return Cell(*key, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)


def _change(before: Cell, after: Cell, volumes: tuple[Mapping[str | None, Decimal], ...]) -> ModelDifference:
    """What changed of one model in one project."""
    old, new = (calls.get(before.project, _ZERO) for calls in volumes)
    difference = after.cost - before.cost
    status: ModelStatus
    if not old or not new:
        status = "new_project" if not old else "vanished_project"
        effects = {"new_projects" if not old else "vanished_projects": difference}
    else:
        status = "new_model" if not before.calls else "vanished_model" if not after.calls else "kept"
        effects = _effects(*_products(before, after, old, new), difference)
    return ModelDifference(
        project=before.project,
        provider=before.provider,
        model=before.model,
        status=status,
        before_cost=before.cost,
        after_cost=after.cost,
        difference=difference,
        effects=_sum([], **effects),
        before_calls=before.calls,
        after_calls=after.calls,
        before_unpriced_calls=before.unpriced_calls,
        after_unpriced_calls=after.unpriced_calls,
    )


def _sum(parts: Sequence[CostEffects], **more: Decimal) -> CostEffects:
    """The effects of several changes together."""
    return CostEffects(
        **{
            name: sum((getattr(part, name) for part in parts), more.get(name, _ZERO))
            for name in CostEffects.model_fields
        }
    )


def _projects(models: Sequence[ModelDifference]) -> list[ProjectDifference]:
    """The changes of each project, largest first."""
    by_project: dict[str | None, list[ModelDifference]] = {}
    for model in models:
        by_project.setdefault(model.project, []).append(model)
    projects = [
        ProjectDifference(
            project=project,
            before_cost=sum((model.before_cost for model in own), _ZERO),
            after_cost=sum((model.after_cost for model in own), _ZERO),
            difference=sum((model.difference for model in own), _ZERO),
            effects=_sum([model.effects for model in own]),
        )
        for project, own in by_project.items()
    ]
    return sorted(projects, key=lambda change: (-abs(change.difference), change.project is not None, change.project))


# A cost as a product


def _products(before: Cell, after: Cell, old: Decimal, new: Decimal) -> tuple[_Product, _Product]:
    """The products of a cell whose project made so many calls in each period."""
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
    """Two values, of which one that is None is as the other."""
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
    """What was paid per token of each kind and per call: rates scaled so that each period's cost is met."""
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
    """USD for a call of such a length, so cached, at such rates."""
    prompt = sum((kind * rate for kind, rate in zip(kinds, rates[:4], strict=True)), _ZERO)
    return lengths[0] * prompt + lengths[1] * rates[4] + rates[5]


def _effects(before: _Product, after: _Product, difference: Decimal) -> dict[str, Decimal]:
    """The effect of each cause on the cost: its Shapley value, rounded so that all of them add up to the difference."""
    both = before, after
    # The cost of a cell of which some causes have changed: bit i of an index says whether cause i has.
    outer = [both[index & 1].volume * both[index >> 1 & 1].share * both[index >> 2].priced for index in range(8)]
    inner = [
        _cost_of_call(both[index & 1].lengths, both[index >> 1 & 1].kinds, both[index >> 2].rates) for index in range(8)
    ]
    costs = [outer[index & 7] * inner[index >> 3] for index in range(64)]
    effects = {}
    for bit, cause in enumerate(_CAUSES):
        # By how many of the other causes have changed already.
        sums = [_ZERO] * 6
        for index in _WITHOUT[bit]:
            sums[index.bit_count()] += costs[index | 1 << bit] - costs[index]
        total = sum((weight * part for weight, part in zip(_WEIGHTS, sums, strict=True)), _ZERO)
        effects[cause] = (total / _WEIGHTS_ARE_TIMES).quantize(_GUARD).quantize(_PICODOLLAR)
    largest = max(_CAUSES, key=lambda cause: abs(effects[cause]))
    effects[largest] += difference - sum(effects.values(), _ZERO)
    return effects


# In words


def _unpriced(models: Sequence[ModelDifference]) -> list[UnpricedModel]:
    """The models of calls without a known price, and how many in each period; most first."""
    calls: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for model in models:
        before, after = calls.get((model.provider, model.model), (_ZERO, _ZERO))
        calls[model.provider, model.model] = (
            before + model.before_unpriced_calls,
            after + model.after_unpriced_calls,
        )
    found = [
        UnpricedModel(provider=provider, model=model, before_calls=before, after_calls=after)
        for (provider, model), (before, after) in calls.items()
        if before or after
    ]
    return sorted(found, key=lambda one: (-one.before_calls - one.after_calls, one.provider, one.model))


def _summary(
    before: Decimal,
    after: Decimal,
    projects: Sequence[ProjectDifference],
    models: Sequence[ModelDifference],
    unpriced: Sequence[UnpricedModel],
) -> str:
    """One sentence: by how much spend changed, the largest causes by name, and what is in no total."""
    difference = after - before
    if difference:
        said = f"Spend {'rose' if difference > 0 else 'fell'} by {_usd(abs(difference))} USD"
        if before:
            said += f" ({abs(difference) / before:.1%})"
        said += f", from {_usd(before)} to {_usd(after)} USD"
    else:
        said = f"Spend stayed at {_usd(after)} USD"
    effects = [
        (effect, project.project, cause)
        for project in projects
        for cause in CostEffects.model_fields
        if (effect := getattr(project.effects, cause))
    ]
    gross = sum((abs(effect) for effect, _, _ in effects), _ZERO)
    effects.sort(key=lambda entry: -abs(entry[0]))
    named = [
        f"{_in_words(cause, effect, project, models)} ({'+' if effect > 0 else '-'}{_usd(abs(effect))})"
        for effect, project, cause in effects[:_MOST_NAMED]
        if abs(effect) >= gross * _WORTH_NAMING
    ]
    if named:
        said += f", mainly by {', '.join(named[:-1])}{' and ' if named[1:] else ''}{named[-1]}"
    if unpriced:
        calls = sum((one.before_calls + one.after_calls for one in unpriced), _ZERO)
        names = ", ".join(one.model for one in unpriced[:_MOST_NAMED]) + (", ..." if unpriced[_MOST_NAMED:] else "")
        said += (
            f"; {calls.normalize():f} call{'' if calls == 1 else 's'} without a known price ({names}) "
            f"{'is' if calls == 1 else 'are'} in neither total"
        )
    return f"{said}."


def _in_words(cause: str, effect: Decimal, project: str | None, models: Sequence[ModelDifference]) -> str:
    where = "outside projects" if project is None else f"in {project}"
    more = effect > 0
    if cause == "model_mix":
        own = [model for model in models if model.project == project]
        before = sum((model.before_calls for model in own), _ZERO)
        after = sum((model.after_calls for model in own), _ZERO)
        shifts = sorted((m.after_calls / after - m.before_calls / before, m.model) for m in own)
        return f"calls moving from {shifts[0][1]} to {shifts[-1][1]} {where}"
    return {
        "volume": f"{'more' if more else 'fewer'} calls {where}",
        "tokens_per_call": f"{'more' if more else 'fewer'} tokens per call {where}",
        "cache_hit_rate": f"{'worse' if more else 'better'} use of the prompt cache {where}",
        "price": f"{'higher' if more else 'lower'} prices {where}",
        "priced_share": f"a {'larger' if more else 'smaller'} share of calls with a known price {where}",
        "new_projects": "the first calls outside projects" if project is None else f"the new project {project}",
        "vanished_projects": "no more calls outside projects" if project is None else f"no more calls {where}",
    }[cause]


def _usd(amount: Decimal) -> str:
    """Rounded to cents, and what is less than one dollar to two digits."""
    if amount >= 1 or not amount:
        return f"{amount:.2f}"
    return f"{amount:.{max(2, 1 - amount.adjusted())}f}"
