"""What cost money and need not have, each with the numbers it rests on. No clock, no network.

Nothing is said without evidence; what could be said if more were sent is in `missing_evidence`.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from math import exp
from statistics import median
from typing import TypeVar

from engines.switching import SOON, Window, Workload, candidates, money, reprice
from schemas.recommendations import MissingEvidence, Optimization
from schemas.usage_history import HashedCall, SampledCall, UsedProject

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_ZERO = Decimal(0)
_HOUR = 60
# A few calls always fail.
_WORTH_TELLING = Decimal("0.01")
# Tags of the name `tier` that say that nobody waits for the answer.
_CAN_WAIT = frozenset({"async", "background", "batch", "flex", "offline"})
_NIGHT = frozenset({22, 23, 0, 1, 2, 3, 4, 5})
_BURST_HOURS = 3
_BURST_SHARE = Decimal("0.8")
_BURST_CALLS = 30
_BURST_DAYS = timedelta(days=3)
_FEWEST_TAGGED = 5
# A prompt of more than so many of the model's medians is oversized; fewer than so many of them are no pattern.
_OVERSIZED = 4
_FEWEST_OVERSIZED = 3
_FEWEST_SAMPLED = 10
_REPEATED = 3
_STORM_GAP = timedelta(seconds=60)
_UNUSED_LIMIT = 4
_STILL_USED = timedelta(days=7)


def optimizations(window: Window) -> list[Optimization]:
    """Everything that is worth doing, largest monthly saving first, then what costs most."""
    found = [
        *_failed_calls(window),
        *_retry_storms(window),
        *_cache_losses(window),
        *_caching_unused(window),
        *_batches(window),
        *_oversized(window),
        *_unused_limits(window),
        *_price_cuts(window),
        *_retirements(window),
    ]
    return sorted(
        found,
        key=lambda one: (-(one.estimated_monthly_savings or _ZERO), -one.cost, one.type, one.model, one.project or ""),
    )


def missing_evidence(window: Window) -> list[MissingEvidence]:
    """What to send so that more can be said. Nothing for a window without calls."""
    if not window.workloads:
        return []
    sample = window.usage.sample
    missing = []
    if not any(call.prefix_hash or call.prompt_hash for call in sample) and any(map(_could_cache(window), sample)):
        missing.append(
            MissingEvidence(
                what="repeated beginnings of prompts",
                why="Prompts that begin alike could be cached; without a hash nobody knows which do.",
                how='"metadata": {"prefix_hash": "<hash of the instructions, tools and documents that repeat>", '
                '"prefix_tokens": 1800} with each event',
            )
        )
    if not window.usage.newest:
        missing.append(
            MissingEvidence(
                what="prompts sent again",
                why="The same prompt within a minute is a retry that is paid for twice.",
                how='"metadata": {"prompt_hash": "<hash of the whole prompt>"} with each event',
            )
        )
    if not any(call.tier for call in sample) and any(window.prices.batch(load.provider) for load in window.workloads):
        missing.append(
            MissingEvidence(
                what="calls that may wait",
                why="Vendors take half off calls that may take a day; only nightly bursts show without a tag.",
                how='"tags": {"tier": "batch"} with events whose answer nobody waits for',
            )
        )
    if not any(call.max_tokens for call in sample):
        missing.append(
            MissingEvidence(
                what="output limits",
                why="A limit far above what is written holds money of budgets that could be spent.",
                how='"metadata": {"max_tokens": 1000} with each event',
            )
        )
    if not window.usage.ratings:
        missing.append(
            MissingEvidence(
                what="ratings",
                why="What a cheaper model loses in quality is known only from what people think of its answers.",
                how="POST /api/feedback with the event's id and a rating from 1 to 5",
            )
        )
    unpriced = [load.model for load in window.workloads if load.unpriced_calls]
    if unpriced:
        missing.append(
            MissingEvidence(
                what="prices",
                why=f"Calls of {', '.join(unpriced[:10])} have no price, so nothing can be said of their cost.",
                how="POST /api/prices with your own price, or `cost` with each event",
            )
        )
    return missing


def _failed_calls(window: Window) -> Iterator[Optimization]:
    """The stored cost of calls that failed, from a hundredth of their model's on; all of it is saved when none does."""
    for load in window.workloads:
        if load.error_cost > 0 and load.error_cost >= _WORTH_TELLING * load.cost:
            yield Optimization(
                type="failed_calls",
                provider=load.provider,
                model=load.model,
                project=None,
                description=f"{load.errors} of {load.calls} calls of {load.model} failed or timed out and were "
                "paid for; find out why, and retry less",
                cost=load.error_cost,
                estimated_monthly_savings=window.monthly(load.error_cost, load.first_at),
                evidence={"calls": Decimal(load.calls), "failed_calls": Decimal(load.errors)},
                confidence="high",
            )


def _retry_storms(window: Window) -> Iterator[Optimization]:
    """Runs of at least 3 calls of one prompt, each within a minute of the one before, among the newest 500 calls.

    One call of a run was needed, so a run costs for nothing what its calls but the last do. How often that happens in a
    month cannot be known from so few calls.
    """
    storms: dict[tuple[str, str, str], list[Sequence[HashedCall]]] = {}
    for prompt, calls in _grouped(
        window.usage.newest, lambda call: (call.provider, call.model, call.project, call.prompt_hash)
    ).items():
        for run in _runs(calls):
            if len(run) >= _REPEATED:
                storms.setdefault(prompt[:3], []).append(run)
    for (provider, model, project), runs in storms.items():
        wasted = sum((call.cost or _ZERO for run in runs for call in run[:-1]), _ZERO)
        if wasted > 0:
            again = sum(len(run) - 1 for run in runs)
            failed = sum(call.status != "success" for run in runs for call in run)
            yield Optimization(
                type="retry_storm",
                provider=provider,
                model=model,
                project=project or None,
                description=f"{again} of the newest calls of {model} sent a prompt again within a minute, in "
                f"{len(runs)} runs of 3 or more; wait longer after each failure, and keep the first answer",
                cost=wasted,
                estimated_monthly_savings=None,
                evidence={
                    "runs": Decimal(len(runs)),
                    "repeated_calls": Decimal(again),
                    "failed_calls": Decimal(failed),
                },
                confidence="high" if failed else "medium",
            )


def _cache_losses(window: Window) -> Iterator[Optimization]:
    """What cached tokens cost at today's cache rates less what they would have cost as plain input, where that is more.

    loss = sum over reads and writes of tokens x (cache rate - input rate), at the rates for the average prompt.
    """
    for load in window.workloads:
        rates = window.rates(load.provider, load.model, load.average_prompt)
        if rates is None or rates.input is None:
            continue
        plain = rates.input
        kinds = zip(load.counts[1:4], rates[1:4], strict=True)
        loss = sum((tokens * ((plain if rate is None else rate) - plain) for tokens, rate in kinds), _ZERO)
        if loss > 0:
            _, read, *written = load.counts[:4]
            yield Optimization(
                type="cache_loss",
                provider=load.provider,
                model=load.model,
                project=None,
                description=f"Prompt caching of {load.model} cost more than it saved: {sum(written)} tokens were "
                f"written to the cache and {read} read from it; cache only what is read again before it expires",
                cost=money(loss),
                estimated_monthly_savings=window.monthly(loss, load.first_at),
                evidence={"written_tokens": Decimal(sum(written)), "read_tokens": Decimal(read)},
                confidence="high",
            )


def _caching_unused(window: Window) -> Iterator[Optimization]:
    """Uncached calls that begin alike, where caching that beginning would have been cheaper.

    A beginning of H tokens that the share s of a model's calls has is sent s x c / D times in an hour of the day with c
    calls over D days. If those come at random, one comes within the L minutes that a cache lives after the one before
    with probability p = 1 - exp(-s x c / D x L / 60); averaged over the calls of all hours that is P. With the rates r
    for input, cache reads and cache writes, such a call saves H x (P x (r_input - r_read) - (1 - P) x (r_write -
    r_input)). H is the `prefix_tokens` that were sent, or else the shortest prompt of those calls.
    """
    for load in window.workloads:
        rules = window.prices.caching(load.provider, load.model)
        rates = window.rates(load.provider, load.model, load.average_prompt)
        if rules is None or rates is None or rates.input is None or rates.cache_read is None:
            continue
        uncached = [call for call in load.sample if _hash(call) and not _cached(call)]
        for prefix, calls in _grouped(uncached, _hash).items():
            told = [call.prefix_tokens for call in calls if call.prefix_tokens]
            tokens = min((*told, *(call.usage().prompt_tokens for call in calls)))
            if len(calls) < _REPEATED or tokens < rules.minimum_tokens:
                continue
            share = Decimal(len(calls)) / len(load.sample)
            hit = _reused(window, load, share, rules.lifetime_minutes)
            write = rates.input if rates.cache_write_5m is None else rates.cache_write_5m
            per_call = tokens * (hit * (rates.input - rates.cache_read) - (1 - hit) * (write - rates.input))
            saving = per_call * share * load.calls
            if saving <= 0:
                continue
            what = (
                "put what repeats first, so that its vendor caches it by itself"
                if rules.automatic
                else "mark it to be cached"
            )
            yield Optimization(
                type="caching_unused",
                provider=load.provider,
                model=load.model,
                project=None,
                description=f"{len(calls)} of {len(load.sample)} sampled calls of {load.model} begin with the same "
                f"{tokens} tokens ({prefix[:16]}) and none was read from a cache; {what}",
                cost=money(tokens * rates.input * share * load.calls),
                estimated_monthly_savings=window.monthly(saving, load.first_at),
                evidence={
                    "sampled_calls": Decimal(len(load.sample)),
                    "calls_alike": Decimal(len(calls)),
                    "prefix_tokens": Decimal(tokens),
                    "minimum_tokens": Decimal(rules.minimum_tokens),
                    "expected_hit_rate": round(hit, 4),
                },
                confidence="high" if len(told) == len(calls) else "medium",
            )


def _batches(window: Window) -> Iterator[Optimization]:
    """Calls that may wait, at a vendor that takes a share off those.

    They may wait when the tag `tier` of the sampled calls says so, or when four fifths of a project's calls fall into
    three hours of the night. saving = discount x their share x (cost - cache reads at the cache's rate): not every
    vendor takes the discount off cached tokens too.
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
            f"{tagged} of {len(sampled)} sampled {calls} are tagged as able to wait"
            if by_tag
            else f"{share:.0%} of {used.calls} {calls} come between {burst}:00 and {(burst + _BURST_HOURS) % 24}:00"
        )
        yield Optimization(
            type="batch",
            provider=used.provider,
            model=used.model,
            project=used.name or used.project or None,
            description=f"{why}; the vendor's batch tier takes {offer.discount:.0%} off. If they go through it "
            "already, send what they cost, or set an own price",
            cost=money(share * used.cost),
            estimated_monthly_savings=window.monthly(saving, used.first_at),
            evidence={
                "calls": Decimal(used.calls),
                "share": round(share, 4),
                "sampled_calls": Decimal(len(sampled)),
                "discount": offer.discount,
            },
            confidence="high" if by_tag else "medium",
        )


def _oversized(window: Window) -> Iterator[Optimization]:
    """Projects some of whose prompts are longer than 4 times the median prompt of the model's sampled calls.

    With p the lengths of a project's sampled prompts and m the median, the share sum(max(0, p - 4 m)) / sum(p) of what
    its prompts cost is for what is beyond that; it is saved when no prompt is longer.
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
        yield Optimization(
            type="oversized_prompts",
            provider=used.provider,
            model=used.model,
            project=used.name or used.project or None,
            description=f"{len(beyond)} of {len(prompts)} sampled prompts{_in(used)} are longer than {limit} tokens, "
            f"4 times the median of {used.model}; look at what fills them. The saving is for cutting them to that",
            cost=money(cost),
            estimated_monthly_savings=window.monthly(cost, used.first_at),
            evidence={
                "sampled_calls": Decimal(len(prompts)),
                "oversized_calls": Decimal(len(beyond)),
                "median_prompt": Decimal(limit // _OVERSIZED),
                "longest_prompt": Decimal(max(prompts)),
            },
            confidence="medium",
        )


def _unused_limits(window: Window) -> Iterator[Optimization]:
    """Output limits of which even the longest twentieth of the answers uses less than a quarter.

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
        held = unused * rates.output / len(load.sample) * load.calls
        yield Optimization(
            type="unused_output_limit",
            provider=load.provider,
            model=load.model,
            project=None,
            description=f"Calls of {load.model} may write {limit} tokens, but of 20 answers 19 have at most {long}; a "
            "lower limit saves no money by itself, but holds less of your budgets and ends runaway answers",
            cost=money(held),
            estimated_monthly_savings=_ZERO,
            evidence={
                "sampled_calls": Decimal(len(limited)),
                "median_limit": Decimal(limit),
                "output_p95": Decimal(long),
                "held_per_call": money(unused * rates.output / len(limited)),
            },
            confidence="high",
        )


def _price_cuts(window: Window) -> Iterator[Optimization]:
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
            yield Optimization(
                type="price_cut",
                provider=load.provider,
                model=load.model,
                project=None,
                description=f"{other.able.model} follows {load.model} in its vendor's line-up and costs less for "
                "the same calls; this saving is among the model recommendations too",
                cost=load.cost,
                estimated_monthly_savings=window.monthly(other.saving, load.first_at),
                evidence={"current_cost": money(other.base), "projected_cost": money(other.projected)},
                confidence="medium" if load.sample else "low",
            )


def _retirements(window: Window) -> Iterator[Optimization]:
    """Models used in the last 7 days that their vendor stops serving within 90 days, or has stopped serving."""
    for load in window.workloads:
        retirement = window.prices.retirement(load.provider, load.model)
        last = max(day.day for day in load.days)
        if retirement is None or window.today - last > _STILL_USED or retirement.retires_on > (window.at + SOON).date():
            continue
        left = (retirement.retires_on - window.today).days
        when = f"stops serving {load.model} on" if left > 0 else f"has not served {load.model} since"
        instead = f"; it names {retirement.replacement} as the replacement" if retirement.replacement else ""
        yield Optimization(
            type="retirement",
            provider=load.provider,
            model=load.model,
            project=None,
            description=f"The vendor {when} {retirement.retires_on}{instead} ({retirement.source})",
            cost=load.cost,
            estimated_monthly_savings=None,
            evidence={
                "days_left": Decimal(left),
                "calls": Decimal(load.calls),
                "cost_a_month": window.monthly(load.cost, load.first_at),
            },
            confidence="high",
        )


def _could_cache(window: Window) -> Callable[[SampledCall], bool]:
    """Whether a call was not cached although its prompt is long enough to be."""

    def could(call: SampledCall) -> bool:
        rules = window.prices.caching(call.provider, call.model)
        return rules is not None and not _cached(call) and call.usage().prompt_tokens >= rules.minimum_tokens

    return could


def _hash(call: SampledCall) -> str:
    return call.prefix_hash or call.prompt_hash or ""


def _cached(call: SampledCall) -> bool:
    return call.cache_read_tokens + call.cache_write_5m_tokens + call.cache_write_1h_tokens > 0


def _reused(window: Window, load: Workload, share: Decimal, lifetime_minutes: int) -> Decimal:
    """The probability that a call that has the share of a model's calls finds the one before it still cached."""
    hours: dict[int, int] = {}
    for used in window.usage.projects:
        if (used.provider, used.model) == (load.provider, load.model):
            for hour, calls in used.hours.items():
                hours[hour] = hours.get(hour, 0) + calls
    per_call = float(share) / float(window.days_since(load.first_at)) * lifetime_minutes / _HOUR
    reused = sum(calls * (1 - exp(-calls * per_call)) for calls in hours.values())
    return Decimal(reused) / max(sum(hours.values()), 1)


def _of(used: UsedProject, call: SampledCall) -> bool:
    return (call.provider, call.model, call.project) == (used.provider, used.model, used.project)


def _in(used: UsedProject) -> str:
    return f" in {used.name or used.project}" if used.project else ""


def _hours(first: int) -> set[int]:
    return {(first + hour) % 24 for hour in range(_BURST_HOURS)}


def _burst(used: UsedProject, first: int) -> int:
    return sum(used.hours.get(hour, 0) for hour in _hours(first))


def _runs(calls: Sequence[HashedCall]) -> Iterator[Sequence[HashedCall]]:
    """The calls, oldest first, cut where more than a minute lies between two of them."""
    first = 0
    for position, (one, other) in enumerate(pairwise(calls), 1):
        if other.timestamp - one.timestamp > _STORM_GAP:
            yield calls[first:position]
            first = position
    yield calls[first:]


def _grouped(calls: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return groups
