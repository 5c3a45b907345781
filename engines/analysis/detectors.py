"""The detectors of avoidable cost: each looks for one pattern in a window. No finding is made without evidence."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median

from engines.analysis.findings import Subject, finding, grouped
from engines.analysis.switching import SOON, candidates, reprice
from engines.analysis.workloads import Window, money
from schemas.recommendations import Optimization
from schemas.usage_history import HashedCall, SampledCall, UsedProject

_ZERO = Decimal(0)
# Share of a model's cost below which failed calls are normal.
_MINIMUM_SHARE = Decimal("0.01")
# Values of the tag `tier` that mark calls without anyone waiting for the answer.
_CAN_WAIT = frozenset({"async", "background", "batch", "flex", "offline"})
_NIGHT = frozenset({22, 23, 0, 1, 2, 3, 4, 5})
_BURST_HOURS = 3
_BURST_SHARE = Decimal("0.8")
_BURST_CALLS = 30
_BURST_DAYS = timedelta(days=3)
_FEWEST_TAGGED = 5
# Multiple of the model's median beyond which a prompt is oversized, and the fewest of them that make a pattern.
_OVERSIZED = 4
_FEWEST_OVERSIZED = 3
_FEWEST_SAMPLED = 10
_REPEATED = 3
_STORM_GAP = timedelta(seconds=60)
_UNUSED_LIMIT = 4
_STILL_USED = timedelta(days=7)


def failed_calls(window: Window) -> Iterator[Optimization]:
    """The stored cost of failed calls, if it is at least 1% of the model's cost. The saving assumes that none fails."""
    for load in window.workloads:
        if load.error_cost > 0 and load.error_cost >= _MINIMUM_SHARE * load.cost:
            yield finding(
                "failed_calls",
                Subject.of(load),
                f"{load.errors} of {load.calls} calls of {load.model} failed or timed out but were "
                "charged; find the cause, and retry less",
                cost=load.error_cost,
                saving=window.monthly(load.error_cost, load.first_at),
                confidence="high",
                calls=load.calls,
                failed_calls=load.errors,
            )


def retry_storms(window: Window) -> Iterator[Optimization]:
    """Runs of at least 3 calls of one prompt, each within a minute of the one before, among the newest 500 calls.

    One call of a run was needed, so all but the last of its calls are avoidable. A monthly saving cannot be known from
    so few calls.
    """
    storms: dict[Subject, list[Sequence[HashedCall]]] = {}
    for (subject, _), calls in grouped(
        window.usage.newest,
        lambda call: (Subject(call.provider, call.model, call.project or None), call.prompt_hash),
    ).items():
        for run in _runs(calls):
            if len(run) >= _REPEATED:
                storms.setdefault(subject, []).append(run)
    for subject, runs in storms.items():
        wasted = sum((call.cost or _ZERO for run in runs for call in run[:-1]), _ZERO)
        if wasted > 0:
            again = sum(len(run) - 1 for run in runs)
            failed = sum(call.status != "success" for run in runs for call in run)
            yield finding(
                "retry_storm",
                subject,
                f"{again} of the newest calls of {subject.model} repeated a prompt within a minute, in "
                f"{len(runs)} runs of 3 or more; use exponential backoff, and cache the first answer",
                cost=wasted,
                saving=None,
                confidence="high" if failed else "medium",
                runs=len(runs),
                repeated_calls=again,
                failed_calls=failed,
            )


def batches(window: Window) -> Iterator[Optimization]:
    """Calls that may wait, at a vendor with a batch discount.

    They may wait when the tag `tier` of the sampled calls says so, or when four fifths of a project's calls fall into
    three hours of the night. saving = discount x their share x (cost - cache reads at the cache's rate): not every
    vendor discounts cached tokens too.
    """
    for used in window.usage.projects:
        offer = window.prices.batch(used.provider)
        if offer is None or used.cost <= 0:
            continue
        sampled = [call for call in window.usage.sample if _of(used, call)]
        tagged = sum(call.tier in _CAN_WAIT for call in sampled)
        burst = max(range(24), key=lambda hour: (_burst(used, hour), -hour))
        share = Decimal(tagged) / len(sampled) if len(sampled) >= _FEWEST_TAGGED else _ZERO
        by_tag = share >= Decimal("0.5")
        if not by_tag:
            share = Decimal(_burst(used, burst)) / used.calls
            nightly = _hours(burst) <= _NIGHT and used.last_at - used.first_at >= _BURST_DAYS
            if share < _BURST_SHARE or not nightly or used.calls < _BURST_CALLS:
                continue
        prompt = (used.input_tokens + used.cache_read_tokens + used.cache_write_tokens) // used.calls
        rates = window.rates(used.provider, used.model, prompt)
        read = _ZERO if rates is None or rates.cache_read is None else rates.cache_read * used.cache_read_tokens
        saving = offer.discount * share * (used.cost - read)
        if saving <= 0:
            continue
        calls = f"calls of {used.model}{_in(used)}"
        why = (
            f"{tagged} of {len(sampled)} sampled {calls} have a tag that allows delay"
            if by_tag
            else f"{share:.0%} of {used.calls} {calls} are made between {burst}:00 and {(burst + _BURST_HOURS) % 24}:00"
        )
        yield finding(
            "batch",
            Subject.of(used),
            f"{why}; the provider's batch API has a discount of {offer.discount:.0%}. If they use it "
            "already, send their cost, or add a custom price",
            cost=money(share * used.cost),
            saving=window.monthly(saving, used.first_at),
            confidence="high" if by_tag else "medium",
            calls=used.calls,
            share=round(share, 4),
            sampled_calls=len(sampled),
            discount=offer.discount,
        )


def oversized(window: Window) -> Iterator[Optimization]:
    """Projects with prompts longer than 4 times the median prompt of the model's sampled calls.

    With p the lengths of a project's sampled prompts and m the median, the share sum(max(0, p - 4 m)) / sum(p) of the
    cost of its prompts is for the excess; it is saved when no prompt is longer.
    """
    for used in window.usage.projects:
        load = next(load for load in window.workloads if (load.provider, load.model) == (used.provider, used.model))
        if not load.sample:
            continue
        limit = _OVERSIZED * int(median(load.prompts))
        prompts = [call.usage().prompt_tokens for call in window.usage.sample if _of(used, call)]
        beyond = [prompt - limit for prompt in prompts if prompt > limit]
        rates = window.rates(used.provider, used.model, load.average_prompt)
        if len(prompts) < _FEWEST_SAMPLED or len(beyond) < _FEWEST_OVERSIZED or rates is None or rates.input is None:
            continue
        paid = (
            used.input_tokens * rates.input
            + used.cache_read_tokens * (rates.input if rates.cache_read is None else rates.cache_read)
            + used.cache_write_tokens * (rates.input if rates.cache_write_5m is None else rates.cache_write_5m)
        )
        cost = paid * sum(beyond) / sum(prompts)
        if cost <= 0:
            continue
        yield finding(
            "oversized_prompts",
            Subject.of(used),
            f"{len(beyond)} of {len(prompts)} sampled prompts{_in(used)} are longer than {limit} tokens, "
            f"4 times the median of {used.model}; the saving is for shortening them to that length",
            cost=money(cost),
            saving=window.monthly(cost, used.first_at),
            confidence="medium",
            sampled_calls=len(prompts),
            oversized_calls=len(beyond),
            median_prompt=limit // _OVERSIZED,
            longest_prompt=max(prompts),
        )


def unused_limits(window: Window) -> Iterator[Optimization]:
    """Output limits that are at least four times the 95th percentile of the output.

    Nothing is spent by that, but a check or reservation holds the limit's price: (limit - output) x output rate a call.
    """
    for load in window.workloads:
        limited = [call for call in load.sample if call.max_tokens]
        if len(limited) < _FEWEST_SAMPLED:
            continue
        rates = window.rates(load.provider, load.model, load.average_prompt)
        outputs = sorted(call.output_tokens for call in limited)
        long = outputs[-(len(outputs) // 20) - 1]
        limit = int(median(call.max_tokens or 0 for call in limited))
        if rates is None or rates.output is None or limit < _UNUSED_LIMIT * max(long, 1):
            continue
        unused = sum((call.max_tokens or 0) - call.output_tokens for call in limited)
        yield finding(
            "unused_output_limit",
            Subject.of(load),
            f"The output limit of {load.model} is {limit} tokens, but 95% of the outputs have at most {long}; a "
            "lower limit has no effect on cost, but reserves less of your budgets and stops runaway outputs",
            cost=money(unused * rates.output / len(load.sample) * load.calls),
            saving=_ZERO,
            confidence="high",
            sampled_calls=len(limited),
            median_limit=limit,
            output_p95=long,
            held_per_call=money(unused * rates.output / len(limited)),
        )


def price_cuts(window: Window) -> Iterator[Optimization]:
    """Newer models of the same line and at least the same tier, on which the same calls would have been cheaper."""
    for load in window.workloads:
        current = window.prices.capability(load.provider, load.model)
        if current is None or load.unpriced_calls:
            continue
        home = window.prices.provider_id(load.provider)
        newer = [
            able
            for able in candidates(window, current)
            if (able.provider, able.line) == (home, current.line) and able.tier >= current.tier
        ]
        for other in reprice(window, load, newer):
            yield finding(
                "price_cut",
                Subject.of(load),
                f"{other.able.model} succeeds {load.model} and costs less for the same calls; this saving is "
                "also part of the model recommendations",
                cost=load.cost,
                saving=window.monthly(other.saving, load.first_at),
                confidence="medium" if load.sample else "low",
                current_cost=money(other.base),
                projected_cost=money(other.projected),
            )


def retirements(window: Window) -> Iterator[Optimization]:
    """Models used in the last 7 days that their vendor stops serving within 90 days, or has stopped serving."""
    for load in window.workloads:
        retirement = window.prices.retirement(load.provider, load.model)
        last = max(day.day for day in load.days)
        if retirement is None or window.today - last > _STILL_USED or retirement.retires_on > (window.at + SOON).date():
            continue
        left = (retirement.retires_on - window.today).days
        when = "retires" if left > 0 else "retired"
        instead = f"; the recommended replacement is {retirement.replacement}" if retirement.replacement else ""
        yield finding(
            "retirement",
            Subject.of(load),
            f"The provider {when} {load.model} on {retirement.retires_on}{instead} ({retirement.source})",
            cost=load.cost,
            saving=None,
            confidence="high",
            days_left=left,
            calls=load.calls,
            cost_a_month=window.monthly(load.cost, load.first_at),
        )


def _of(used: UsedProject, call: SampledCall) -> bool:
    return (call.provider, call.model, call.project) == (used.provider, used.model, used.project)


def _in(used: UsedProject) -> str:
    return f" in {used.name or used.project}" if used.project else ""


def _hours(first: int) -> set[int]:
    return {(first + hour) % 24 for hour in range(_BURST_HOURS)}


def _burst(used: UsedProject, first: int) -> int:
    return sum(used.hours.get(hour, 0) for hour in _hours(first))


def _runs(calls: Sequence[HashedCall]) -> Iterator[Sequence[HashedCall]]:
    """The calls, oldest first, split where more than a minute lies between two of them."""
    first = 0
    for position, (one, other) in enumerate(pairwise(calls), 1):
        if other.timestamp - one.timestamp > _STORM_GAP:
            yield calls[first:position]
            first = position
    yield calls[first:]
