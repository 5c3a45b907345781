"""Cheaper models that can do the job of those in use, priced on the calls of a window."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from statistics import NormalDist
from typing import NamedTuple

from engines.analysis.workloads import MONTH, Window, Workload, money, token_counts
from providers import Capability, successors, token_factor
from schemas.recommendations import AdviceBasis, AnswerQuality, LeftOut, ModelSwitch, ModelSwitches
from schemas.usage_history import SampledCall

# Notice below which a model that its vendor will retire is not suggested.
SOON = timedelta(days=90)
_ZERO = Decimal(0)
_HUNDRED = Decimal(100)
# Fewest whole days for an interval: a week, so that it includes each weekday.
_FEWEST_DAYS = 7
# Number of calls priced one by one when calls are billed by more than text tokens: that takes a thousand times longer.
_PRICED_ONE_BY_ONE = 20
_MODALITIES = ("audio", "image", "video")
_METHOD = (
    "Totals of calls, tokens and cost are exact. The distribution of prompt lengths is estimated from a sample of each "
    "model's calls. Monthly savings are the savings of the period per day since the model's first call, times 30. "
    "Intervals are Student's t over the savings of whole days; they do not include the sampling error."
)
_ASSUMPTIONS = [
    "The suggested model has the same prompts and outputs of the same length; reasoning models may write more.",
    "Tokenizers of other providers yield the same token counts, unless their documentation states otherwise.",
    "The same share of prompt tokens is cached, regardless of the other provider's minimum prefix; without a cache "
    "price, cached tokens are priced as uncached input.",
    "Prices are current, with custom prices first; discounts that are only part of recorded costs are not assumed.",
]
_SAME_WORK = (
    "All calls: its provider places it in the same tier or above. Models of one tier give different answers, so "
    "evaluate it on your own prompts before you switch."
)
_SMALLER_WORK = (
    "Calls that do not need the capability of the larger model, such as classification, extraction and short answers. "
    "Evaluate the quality on your own prompts before you switch."
)


class Repriced(NamedTuple):
    """A workload on another model. `days` are the current and the projected cost of each day."""

    able: Capability
    current_today: Decimal | None
    base: Decimal
    projected: Decimal
    fits: Decimal
    days: list[tuple[date, Decimal, Decimal]]

    @property
    def saving(self) -> Decimal:
        """What would have been saved over the window."""
        return self.base - self.projected


def switches(window: Window) -> ModelSwitches:
    """For each model the cheapest others that can do its job: of its own and of other vendors, of its tier and below.

    A model can do the job when its vendor places it at most one tier lower, it reads the modalities of the calls, its
    context window fits at least nine tenths of them, it is the newest of its line, and its vendor has not announced
    its retirement within 90 days. A more expensive model is never suggested. Largest saving first.
    """
    found: list[ModelSwitch] = []
    left_out: list[LeftOut] = []
    quality = _Quality(window)
    for load in window.workloads:
        reason = _unknown(window, load)
        if reason is not None:
            left_out.append(reason)
            continue
        best: dict[tuple[bool, bool], tuple[Repriced, int]] = {}
        current = window.prices.capability(load.provider, load.model)
        assert current is not None
        home = window.prices.provider_id(load.provider)
        for other in reprice(window, load, candidates(window, current)):
            step = current.tier - other.able.tier
            kind = (other.able.provider == home, step <= 0)
            if kind not in best or other.saving > best[kind][0].saving:
                best[kind] = (other, step)
        found += [_switch(window, load, current, other, step, quality) for other, step in best.values()]
    found.sort(
        key=lambda switch: (
            -switch.estimated_monthly_savings,
            switch.provider,
            switch.current_model,
            not switch.same_provider,
            switch.suggested_model,
        )
    )
    top: dict[tuple[str, str], Decimal] = {}
    for switch in found:
        top.setdefault((switch.provider, switch.current_model), switch.estimated_monthly_savings)
    return ModelSwitches(
        count=len(found),
        recommendations=found,
        total_potential_savings=sum(top.values(), _ZERO),
        left_out=left_out,
        basis=AdviceBasis(
            calls=sum(load.calls for load in window.workloads),
            sampled_calls=len(window.usage.sample),
            method=_METHOD,
            assumptions=_ASSUMPTIONS,
        ),
    )


def candidates(window: Window, current: Capability) -> list[Capability]:
    """The models to which calls of this one could move: not below the next tier, and not an older one of its line."""
    return [
        able
        for able in successors((window.at + SOON).date())
        if able.tier >= current.tier - 1
        and able.model != current.model
        and (able.line != current.line or able.generation > current.generation)
    ]


def reprice(window: Window, load: Workload, others: Iterable[Capability]) -> list[Repriced]:
    """The workload on each of the other models on which it would have been cheaper.

    The base is the lower of the recorded cost and the cost of the same calls at today's prices, so that neither a
    price that has since fallen nor a discount that only the caller knows counts as a saving.
    """
    used = window.prices.capability(load.provider, load.model)
    assert used is not None
    blend = load.blend(window, load.provider, load.model)
    today = None if blend is None else blend.cost(load.counts, load.calls)
    by_day = [(day.day, day.cost, token_counts(day), day.calls) for day in load.days]
    if blend is None or today is None or today >= load.cost:
        base, bases = load.cost, [cost for _, cost, _, _ in by_day]
    else:
        base, bases = today, [blend.cost(counts, calls) for _, _, counts, calls in by_day]
    detailed = [call for call in load.sample if call.usage_detail][:_PRICED_ONE_BY_ONE]
    read = {"text"} | {
        kind for call in detailed for kind in _MODALITIES if any(kind in key for key in call.usage_detail)
    }
    found = []
    for able in others:
        limit = window.prices.context_window(able)
        if limit is None or not read <= able.modalities:
            continue
        factor = token_factor(used, able)
        other = load.blend(window, able.provider, able.model, factor, limit)
        if other is None:
            continue
        if detailed:
            share = _share(window, load, able, detailed)
            if share is None:
                continue
            projected = [cost * share for cost in bases]
        else:
            projected = [
                other.cost(counts, calls) + cost * other.stays
                for (_, _, counts, calls), cost in zip(by_day, bases, strict=True)
            ]
        total = sum(projected, _ZERO)
        if total < base:
            days = [(day[0], was, would) for day, was, would in zip(by_day, bases, projected, strict=True)]
            found.append(Repriced(able, today, base, total, other.fits, days))
    return found


def interval(window: Window, load: Workload, other: Repriced) -> tuple[Decimal, Decimal] | None:
    """The 95 % interval of the monthly saving, from how much the whole days differ; None with fewer than 7 of them.

    With s the sample standard deviation of the n whole days' savings since the first call, days without a call among
    them, and t the 97.5 % quantile of Student's t with n - 1 degrees of freedom: saving +- 30 x t x s / sqrt(n).
    """
    first = min(day for day, _, _ in other.days)
    whole = (window.today - first).days
    if whole < _FEWEST_DAYS:
        return None
    savings = [was - would for day, was, would in other.days if day < window.today]
    mean = sum(savings, _ZERO) / whole
    squares = sum(((saving - mean) ** 2 for saving in savings), mean**2 * (whole - len(savings)))
    half = student_t(whole - 1) * (squares / (whole - 1) / whole).sqrt() * MONTH
    saving = window.monthly(other.saving, load.first_at)
    return money(saving - half), money(saving + half)


def student_t(freedom: int) -> Decimal:
    """The 97.5 % quantile of Student's t, by its expansion about the normal distribution's.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5; within 0.1 % from 6 degrees of freedom on.
    """
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return Decimal(z + sum(term / freedom**power for power, term in enumerate(terms, 1)))


class _Quality:
    """Ratings and error rates of the models in use."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._ratings = {(rated.provider, rated.model): rated for rated in window.usage.ratings}
        self._loads = {(load.provider, load.model): load for load in window.workloads}

    def of(self, provider: str, model: str) -> AnswerQuality | None:
        rated = self._ratings.get((provider, model))
        load = self._loads.get((provider, model))
        if rated is None and load is None:
            return None
        return AnswerQuality(
            ratings=0 if rated is None else rated.ratings,
            average_rating=None if rated is None else rated.average_rating,
            error_rate=None if load is None else round(_HUNDRED * load.errors / load.calls, 4),
        )

    def of_able(self, able: Capability) -> AnswerQuality | None:
        """The same for a model of the tables, under the name with most calls in the workspace."""
        names = [load for load in self._loads.values() if _ids(self._window, load) == (able.provider, able.model)]
        most = max(names, key=lambda load: load.calls, default=None)
        return None if most is None else self.of(most.provider, most.model)


def _ids(window: Window, load: Workload) -> tuple[str, str]:
    """The ids of a workload's provider and model in the tables."""
    able = window.prices.capability(load.provider, load.model)
    return window.prices.provider_id(load.provider), load.model if able is None else able.model


def _switch(
    window: Window, load: Workload, current: Capability, other: Repriced, step: int, quality: _Quality
) -> ModelSwitch:
    able = other.able
    spread = interval(window, load, other)
    retirement = window.prices.retirement(able.provider, able.model)
    known = quality.of(load.provider, load.model)
    assert known is not None
    return ModelSwitch(
        provider=load.provider,
        current_model=load.model,
        current_tier=current.tier_name,
        suggested_provider=able.provider,
        suggested_model=able.model,
        suggested_tier=able.tier_name,
        same_provider=able.provider == window.prices.provider_id(load.provider),
        tier_step=step,
        calls=load.calls,
        sampled_calls=len(load.sample),
        fitting_calls=round(_HUNDRED * other.fits, 2),
        current_cost=money(load.cost),
        current_cost_today=None if other.current_today is None else money(other.current_today),
        projected_cost=money(other.projected),
        current_cost_per_call=money(load.cost / load.calls),
        suggested_cost_per_call=money(other.projected / load.calls),
        estimated_monthly_savings=window.monthly(other.saving, load.first_at),
        savings_low=None if spread is None else spread[0],
        savings_high=None if spread is None else spread[1],
        suggested_retires_on=None if retirement is None else retirement.retires_on,
        current_quality=known,
        suggested_quality=quality.of_able(able),
        use_case=_SAME_WORK if step <= 0 else _SMALLER_WORK,
    )


def _unknown(window: Window, load: Workload) -> LeftOut | None:
    if load.unpriced_calls:
        return LeftOut(provider=load.provider, model=load.model, calls=load.calls, reason="unpriced_calls")
    if window.prices.capability(load.provider, load.model) is None:
        return LeftOut(provider=load.provider, model=load.model, calls=load.calls, reason="unknown_tier")
    return None


def _share(window: Window, load: Workload, able: Capability, calls: Sequence[SampledCall]) -> Decimal | None:
    """The other model's charge for calls that used more than text, as a share of the current model's."""
    was = would = _ZERO
    for call in calls:
        usage = call.usage()
        current = window.prices.price(load.provider, load.model, usage, window.at, own=window.own).cost
        other = window.prices.price(able.provider, able.model, usage, window.at, own=window.own).cost
        if current is None or other is None:
            return None
        was, would = was + current, would + other
    return would / was if was else None
