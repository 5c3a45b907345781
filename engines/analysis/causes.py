"""The causes of an anomaly, in one sentence and by contributors.

The cost of its hours is compared (see `comparison`) with their usual cost: the mean of the same hours of up to
four weeks before or, where there are none yet, of up to seven days before.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import takewhile

from engines.analysis.anomalies import Found
from engines.analysis.comparison import explain
from engines.analysis.effects import cell_of
from engines.analysis.grid import HOURS, Grid, Leaf
from providers import NO_CUSTOM_PRICES, CustomPrices, PriceBook
from schemas.anomalies import Anomaly, AnomalyCause, AnomalyContributor
from schemas.comparison import CostEffects, ModelDifference, PeriodUsage
from utils.money import change_in_dollars, dollars

_ZERO = Decimal(0)
_WEEK = 7 * HOURS
_WEEKS, _DAYS = 4, 7
_MOST_NAMED, _MOST_CONTRIBUTORS = 3, 10
# Share of all effects, regardless of sign, below which one is not named.
_WORTH_NAMING = Decimal("0.05")
_PICODOLLAR = Decimal("0.000000000001")
_COUNTS = (
    "calls", "unpriced_calls", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "output_tokens",
)  # fmt: skip
_CAUSES: tuple[AnomalyCause, ...] = ("tokens_per_call", "cache_hit_rate", "price", "priced_share")
_BEGINNINGS = ("new_model", "new_project")
Key = tuple[str | None, str, str]
Pair = tuple[PeriodUsage, PeriodUsage]


def with_causes(
    found: Sequence[Found], leaves: Sequence[Leaf], grid: Grid, prices: PriceBook, own: CustomPrices = NO_CUSTOM_PRICES
) -> list[Anomaly]:
    """The anomalies with their causes, newest first."""
    anomalies = [_anomaly(one, found, leaves, grid, prices, own) for one in found]
    return sorted(anomalies, key=lambda anomaly: (anomaly.start, abs(anomaly.z_score)), reverse=True)


def _anomaly(
    one: Found, found: Sequence[Found], leaves: Sequence[Leaf], grid: Grid, prices: PriceBook, own: CustomPrices
) -> Anomaly:
    members = [leaves[index] for index in sorted(one.place.leaves, key=lambda index: leaves[index].name)]
    named = [leaf for leaf in members if leaf.model is not None]
    now = [_used(leaf, [one.start], one.end - one.start) for leaf in named]
    starts = _earlier(one, members, grid)
    usual = [_used(leaf, starts, one.end - one.start) for leaf in named] if starts else []
    contributors = _contributors(usual, now, grid, one, prices, own) if starts or one.kind in _BEGINNINGS else []
    cost, calls, errors = (
        sum((leaf.total(column, one.start, one.end) for leaf in members), _ZERO)
        for column in ("costs", "calls", "errors")
    )
    expected = _money(one.expected_cost)
    if one.measure == "errors":
        cause = _failures(one, named, int(calls), int(errors))
    elif one.kind in _BEGINNINGS:
        cause = _beginning(one, now, grid)
    else:
        cause = _reasons(one, contributors, _pairs(usual or now, now))
        cause += _meanwhile(one, found, leaves)
    return Anomaly(
        date=grid.date(one.start),
        hour=one.start % HOURS if one.hourly else None,
        start=grid.moment(one.start),
        end=min(grid.moment(one.until), grid.at),
        scope=one.place.scope,
        about=one.place.about,
        project=one.place.project,
        provider=one.place.provider,
        model=one.place.model,
        measure=one.measure,
        kind=one.kind,
        calls=int(calls),
        errors=int(errors),
        expected_errors=round(one.expected_errors, 4),
        cost=cost,
        expected_cost=expected,
        expected_low=_money(one.low),
        expected_high=_money(one.high),
        excess_cost=cost - expected,
        z_score=round(one.z, 4),
        severity="high" if abs(one.z) >= 4 else "medium" if abs(one.z) >= 3 else "low",
        cause=f"{cause}.",
        contributors=contributors[:_MOST_CONTRIBUTORS],
    )


def _earlier(one: Found, members: Iterable[Leaf], grid: Grid) -> list[int]:
    """The starts of the earlier spans to compare with, nearest first; none from before the place was first used."""
    first = min(int(leaf.slots[0]) for leaf in members if len(leaf.slots)) // HOURS * HOURS
    whole_days = one.start % HOURS == 0 and one.end % HOURS == 0
    lowest = first if whole_days else max(first, grid.day(grid.hours_from) * HOURS)
    for unit, most in ((_WEEK, _WEEKS), (HOURS, _DAYS)):
        step = -(-(one.end - one.start) // unit) * unit
        starts = list(takewhile(lambda at: at >= lowest, (one.start - step * back for back in range(1, most + 1))))
        if starts:
            return starts
    return []


def _used(leaf: Leaf, starts: Sequence[int], length: int) -> PeriodUsage:
    """The mean use of a leaf over spans of a length."""
    mean = {
        name: sum((leaf.total(column, start, start + length) for start in starts), _ZERO) / len(starts)
        for name, column in (*((name, name) for name in _COUNTS), ("cost", "costs"))
    }
    return PeriodUsage(project=leaf.project, provider=str(leaf.provider), model=str(leaf.model), **mean)


def _contributors(
    usual: Sequence[PeriodUsage],
    now: Sequence[PeriodUsage],
    grid: Grid,
    one: Found,
    prices: PriceBook,
    own: CustomPrices,
) -> list[AnomalyContributor]:
    """The contributors to the difference, largest first."""
    at = grid.moment(one.start)
    explanation = explain(
        [cell_of(used, prices, at, own) for used in usual if used.calls],
        [cell_of(used, prices, at, own) for used in now if used.calls],
    )
    found = [
        AnomalyContributor(
            project=model.project, provider=model.provider, model=model.model, cause=cause, effect=effect
        )
        for model in explanation.models
        for cause, effect in _effects(model)
        if effect
    ]
    return sorted(found, key=lambda part: -abs(part.effect))


def _pairs(usual: Sequence[PeriodUsage], now: Sequence[PeriodUsage]) -> dict[Key, Pair]:
    return {(use.project, use.provider, use.model): (old, use) for old, use in zip(usual, now, strict=True)}


def _effects(model: ModelDifference) -> list[tuple[AnomalyCause, Decimal]]:
    """The effects at one model of a project: all of what is new or gone, and its calls as one cause."""
    if model.status in ("new_project", "new_model"):
        return [("new", model.difference)]
    if model.status in ("vanished_project", "vanished_model"):
        return [("vanished", model.difference)]
    effects: CostEffects = model.effects
    return [("calls", effects.volume + effects.model_mix), *((cause, getattr(effects, cause)) for cause in _CAUSES)]


# Texts


def _reasons(one: Found, contributors: Sequence[AnomalyContributor], uses: dict[Key, Pair]) -> str:
    """The largest changes, by name."""
    gross = sum((abs(part.effect) for part in contributors), _ZERO)
    named = [part for part in contributors[:_MOST_NAMED] if abs(part.effect) >= gross * _WORTH_NAMING]
    if not named and one.kind == "stop":
        return f"no calls of {one.place.about}"
    if not named:
        return f"{one.place.about} differs by {dollars(abs(one.excess))} from its history"
    parts = [
        f"{_phrase(part, *uses[part.project, part.provider, part.model], one)} ({change_in_dollars(part.effect)})"
        for part in named
    ]
    where = one.place.project or (one.place.provider if one.place.scope == "provider" else None)
    return (f"{where}: " if where else "") + _listed(parts)


def _phrase(part: AnomalyContributor, usual: PeriodUsage, now: PeriodUsage, one: Found) -> str:
    more = part.effect > 0
    model = part.model if one.place.project or not part.project else f"{part.model} in {part.project}"
    if part.cause == "calls":
        return _ratio(now.calls, usual.calls, "calls", model)
    if part.cause == "tokens_per_call":
        return _ratio(_tokens(now) / now.calls, _tokens(usual) / usual.calls, "tokens per call", model)
    return {
        "cache_hit_rate": f"{'worse' if more else 'better'} use of the prompt cache by {model}",
        "price": f"{'higher' if more else 'lower'} prices of {model}",
        "priced_share": f"a {'larger' if more else 'smaller'} share of calls of {model} with a known price",
        "new": f"calls of {model}, which is usually not used at these hours",
        "vanished": f"no calls of {model}",
    }[part.cause]


def _ratio(now: Decimal, usual: Decimal, of: str, model: str) -> str:
    ratio = now / usual if usual else _ZERO
    if ratio >= 2:
        return f"{ratio:.1f} times the usual {of} of {model}".replace(".0 times", " times")
    return f"{abs(ratio - 1):.0%} {'more' if ratio >= 1 else 'fewer'} {of} of {model} than usual"


def _failures(one: Found, members: Sequence[Leaf], calls: int, errors: int) -> str:
    """The failed calls, and of which models."""
    failed = sorted(
        ((leaf.total("errors", one.start, one.end), leaf) for leaf in members),
        key=lambda pair: (-pair[0], pair[1].name),
    )
    what = one.place.model or one.place.provider or one.place.project or "the workspace"
    where = f" in {one.place.project}" if one.place.project and one.place.model else ""
    text = (
        f"{_percent(errors, calls)} of the calls of {what}{where} failed ({errors} of {calls}), "
        f"compared with the usual {_percent(one.expected_errors, calls)}"
    )
    if len(members) > 1:
        parts = [
            f"{count} of {leaf.model}" + (f" in {leaf.project}" if leaf.project else "")
            for count, leaf in failed[:_MOST_NAMED]
            if count
        ]
        # The rest of the workspace has no names.
        text += f": {_listed(parts)}" if parts else ""
    return text


def _beginning(one: Found, now: Sequence[PeriodUsage], grid: Grid) -> str:
    """The first use of a project or model."""
    used = sorted((use for use in now if use.calls), key=lambda use: (-use.cost, -use.calls, use.model))[:_MOST_NAMED]
    project = one.place.project
    if one.kind == "new_project":
        what = f"the project {project}"
    else:
        what = f"{one.place.model} in {project}" if project else f"{one.place.model}"
    parts = [
        f"{use.calls} calls of {use.model}" + (f" in {use.project}" if use.project and not project else "")
        for use in used
    ]
    days = -(-(one.end - one.start) // HOURS)
    return f"first use of {what}, from {grid.date(one.start)}: {_listed(parts)} in {days} day{'s' if days > 1 else ''}"


def _meanwhile(one: Found, found: Sequence[Found], leaves: Sequence[Leaf]) -> str:
    """A possible reason in the same projects at the same time: failures, or a model that took over."""
    projects = {leaves[index].project for index in one.place.leaves}
    for other in found:
        at_once = one.start - HOURS < other.start < one.end and one.start < other.end
        shared = projects & {leaves[index].project for index in other.place.leaves}
        if other.place == one.place or not at_once or not shared:
            continue
        if other.measure == "errors":
            what = other.place.model or other.place.provider or other.place.project or "the workspace"
            return f"; at the same time calls of {what} failed"
        if other.kind == "new_model" and one.kind in ("stop", "drop"):
            return f"; at the same time {other.place.model} was first used there"
    return ""


def _tokens(used: PeriodUsage) -> Decimal:
    return (
        used.input_tokens + used.cache_read_tokens + used.cache_write_5m_tokens + used.cache_write_1h_tokens
        + used.output_tokens
    )  # fmt: skip


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if parts[1:] else "") + parts[-1]


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}"


def _money(amount: float) -> Decimal:
    return Decimal(amount).quantize(_PICODOLLAR)
