"""One call from several reports of it: each part is taken from the report that knows more.

An application's SDK, its framework and its proxy may all report the same call, each with other gaps: one without the
cached part of the prompt, one under an alias of the model. Counts mostly miss something, so the larger count is the
right one; but some clients count a token of the output of a stream twice, so there the report of the client that made
the call wins. The result does not depend on the order of the reports, except for what is not counted: the time and the
latency are those of the first.
"""

from decimal import Decimal
from typing import Any

from engines.terms import WorkspaceTerms
from providers import PriceBook
from schemas.events import NewEvent, StoredEvent
from schemas.usage import Price, Usage
from utils import json

_MOST_TAGS = 8
_UNKNOWN = "unknown"
_SEVERITY = ("error", "timeout", "success")
# Name of the instrumentation, in the metadata of events from spans; and its prefix if the provider's own client is it.
_SCOPE = "scope"
_OWN_CLIENT = "com.anthropic.sdk."


def merged(first: NewEvent, second: NewEvent, prices: PriceBook, terms: WorkspaceTerms) -> NewEvent:
    """The call of two reports, with the price of the first: see `same_price`."""
    provider = max((first, second), key=lambda report: _provider_rank(report.provider, report.model, prices)).provider
    model = max(
        (first.model, second.model),
        key=lambda name: (
            prices.rates(provider, name, 0, first.timestamp, terms.prices) is not None,
            len(name),
            name,
        ),
    )
    status = max(first.status, second.status, key=_SEVERITY.index)
    messages = [each.error_message for each in (first, second) if each.error_message is not None]
    tags = {**second.tags, **first.tags}
    return first._replace(
        provider=provider,
        model=model,
        usage=_usage(*sorted((first, second), key=_trust)),
        metadata=_metadata(*sorted((first, second), key=_trust)),
        project=first.project or second.project,
        status=status,
        latency_ms=second.latency_ms if first.latency_ms is None else first.latency_ms,
        error_message=max(messages) if messages and status != "success" else None,
        tags=dict(list(tags.items())[:_MOST_TAGS]) if len(tags) > len(first.tags) else first.tags,
        reservation_id=first.reservation_id or second.reservation_id,
        unchecked=first.unchecked or second.unchecked,
        cost=_larger(first.cost, second.cost),
        fallback_cost=_larger(first.fallback_cost, second.fallback_cost),
    )


def same_price(event: NewEvent, other: NewEvent) -> bool:
    """Whether both have the same price at any time."""
    return (event.provider, event.model, event.usage, event.cost, event.fallback_cost) == (
        other.provider,
        other.model,
        other.usage,
        other.cost,
        other.fallback_cost,
    )


def report_of(stored: StoredEvent, prices: PriceBook, terms: WorkspaceTerms) -> NewEvent:
    """A stored event as a report. Its price stays, unless other reports change what it is the price of."""
    usage = Usage.of_prompt(
        input_tokens=stored.input_tokens,
        cache_read_tokens=stored.cache_read_tokens,
        cache_write_5m_tokens=stored.cache_write_tokens,
        cache_write_1h_tokens=stored.cache_write_1h_tokens,
        output_tokens=stored.output_tokens,
        reasoning_tokens=stored.reasoning_tokens,
    )._replace(detail=stored.usage_detail)
    given = stored.cost if stored.pricing == "caller" else None
    # The caller's estimate is used only where no price is known, and its actual cost everywhere.
    estimated = (
        given is not None
        and prices.price(stored.provider, stored.model, usage, stored.timestamp, own=terms.prices).cost is None
    )
    return NewEvent(
        id=stored.event_id,
        user_id=stored.user_id,
        timestamp=stored.timestamp,
        provider=stored.provider,
        model=stored.model,
        usage=usage,
        price=Price(stored.cost, stored.pricing),
        project=(stored.project and terms.project(stored.project)) or "",
        status=stored.status,
        latency_ms=stored.latency_ms,
        error_message=stored.error_message,
        tags=stored.tags,
        metadata=json.text(stored.metadata),
        api_key_id=None,
        reservation_id=stored.reservation_id,
        unchecked=stored.unchecked,
        policy_violations=stored.policy_violations,
        cost=None if estimated else given,
        fallback_cost=given if estimated else None,
        is_response=True,
    )


def is_known(report: NewEvent, completed: NewEvent) -> bool:
    """Whether a report already has everything of the completed one that is stored."""
    return (same_price(report, completed) and _trust(report) == _trust(completed)) and (
        report.project,
        report.status,
        report.latency_ms,
        report.error_message,
        report.tags,
        report.reservation_id,
        report.unchecked,
    ) == (
        completed.project,
        completed.status,
        completed.latency_ms,
        completed.error_message,
        completed.tags,
        completed.reservation_id,
        completed.unchecked,
    )


def _provider_rank(provider: str, model: str, prices: PriceBook) -> tuple[bool, bool, bool, str]:
    """Named before unknown, listed before others, and a reseller before the maker of the model: a client that is
    unaware of the reseller reports the maker.
    """
    return (
        provider != _UNKNOWN,
        prices.provider(provider) is not None,
        prices.provider_of(model) != provider,
        provider,
    )


def _trust(report: NewEvent) -> int:
    """2 for the report of an application or a proxy, 1 for the provider's own client, 0 for other instrumentation."""
    scope = _parsed(report.metadata).get(_SCOPE)
    return 2 if scope is None else int(isinstance(scope, str) and scope.startswith(_OWN_CLIENT))


def _metadata(less: NewEvent, more: NewEvent) -> str | None:
    """What both tell, with the scope of the one that is trusted more."""
    if less.metadata is None or _trust(less) == _trust(more):
        return more.metadata if less.metadata is None else less.metadata
    metadata = {key: value for key, value in _parsed(less.metadata).items() if key != _SCOPE}
    return json.text(metadata | _parsed(more.metadata))


def _parsed(metadata: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if metadata is None else json.loads(metadata.encode())
    return found


def _usage(less: NewEvent, more: NewEvent) -> Usage:
    """The usage of both reports, of which the second one is trusted more or equally."""
    first, second = less.usage, more.usage
    if first.detail or second.detail:
        # The price follows from the detail, which is a whole report.
        return max((first, second), key=lambda usage: (len(usage.detail), usage.total_tokens))
    read = max(first.cache_read_tokens, second.cache_read_tokens)
    written_1h = max(first.cache_write_1h_tokens, second.cache_write_1h_tokens)
    written = max(
        first.cache_write_5m_tokens + first.cache_write_1h_tokens,
        second.cache_write_5m_tokens + second.cache_write_1h_tokens,
        written_1h,
    )
    prompt = max(first.prompt_tokens, second.prompt_tokens, read + written)
    output = max(first.output_tokens, second.output_tokens)
    if second.output_tokens and _trust(more) > _trust(less):
        output = second.output_tokens
    return Usage(
        prompt - read - written,
        read,
        written - written_1h,
        written_1h,
        output,
        min(output, max(first.reasoning_tokens, second.reasoning_tokens)),
    )


def _larger(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return second if first is None else first if second is None else max(first, second)
