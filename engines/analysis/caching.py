"""The detectors of avoidable cost around prompt caching."""

from collections.abc import Iterator
from decimal import Decimal
from math import exp

from engines.analysis.findings import Subject, finding, grouped
from engines.analysis.workloads import Window, Workload, money
from schemas.recommendations import Optimization
from schemas.usage_history import SampledCall

_ZERO = Decimal(0)
_HOUR = 60
_REPEATED = 3


def cache_losses(window: Window) -> Iterator[Optimization]:
    """The cost of cached tokens at today's cache rates less their cost as plain input, where that is positive.

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
            yield finding(
                "cache_loss",
                Subject.of(load),
                f"Prompt caching of {load.model} cost more than it saved: {sum(written)} tokens were "
                f"written to the cache and {read} read from it; cache only prefixes that are reused before they expire",
                cost=money(loss),
                saving=window.monthly(loss, load.first_at),
                confidence="high",
                written_tokens=sum(written),
                read_tokens=read,
            )


def caching_unused(window: Window) -> Iterator[Optimization]:
    """Uncached calls with the same prefix, where caching that prefix would have been cheaper.

    A prefix of H tokens that the share s of a model's calls has is sent s x c / D times in an hour of the day with c
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
        for prefix, calls in grouped(uncached, _hash).items():
            sent = [call.prefix_tokens for call in calls if call.prefix_tokens]
            tokens = min((*sent, *(call.usage().prompt_tokens for call in calls)))
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
                "put the repeated part first, so that the provider caches it automatically"
                if rules.automatic
                else "mark the prefix for caching"
            )
            yield finding(
                "caching_unused",
                Subject.of(load),
                f"{len(calls)} of {len(load.sample)} sampled calls of {load.model} begin with the same "
                f"{tokens} tokens ({prefix[:16]}) but none were read from a cache; {what}",
                cost=money(tokens * rates.input * share * load.calls),
                saving=window.monthly(saving, load.first_at),
                confidence="high" if len(sent) == len(calls) else "medium",
                sampled_calls=len(load.sample),
                calls_alike=len(calls),
                prefix_tokens=tokens,
                minimum_tokens=rules.minimum_tokens,
                expected_hit_rate=round(hit, 4),
            )


def could_be_cached(window: Window, call: SampledCall) -> bool:
    """Whether a call was not cached although its prompt is long enough."""
    rules = window.prices.caching(call.provider, call.model)
    return rules is not None and not _cached(call) and call.usage().prompt_tokens >= rules.minimum_tokens


def _hash(call: SampledCall) -> str:
    return call.prefix_hash or call.prompt_hash or ""


def _cached(call: SampledCall) -> bool:
    return call.cache_read_tokens + call.cache_write_5m_tokens + call.cache_write_1h_tokens > 0


def _reused(window: Window, load: Workload, share: Decimal, lifetime_minutes: int) -> Decimal:
    """The probability that a call finds the one before it still cached; such calls are a share of the model's calls."""
    hours: dict[int, int] = {}
    for used in window.usage.projects:
        if (used.provider, used.model) == (load.provider, load.model):
            for hour, calls in used.hours.items():
                hours[hour] = hours.get(hour, 0) + calls
    per_call = float(share) / float(window.days_since(load.first_at)) * lifetime_minutes / _HOUR
    reused = sum(calls * (1 - exp(-calls * per_call)) for calls in hours.values())
    return Decimal(reused) / max(sum(hours.values()), 1)
