"""The span engine: records the model calls of traces, each once, however their spans are split between requests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from database import Database
from engines.changes import Changes
from engines.events import EventEngine
from engines.pricing import PricingEngine
from schemas.events import EventBatch, NewEvent
from schemas.identities import Identity
from schemas.spans import RepeatedCall, ReportedSpan
from utils.background import Background
from utils.errors import Unavailable
from utils.metrics import count_commit
from utils.rate_limits import Buckets
from utils.time import now

# Time that spans are kept. Exporters send the spans of a trace within seconds, and try again for a minute.
KEPT = timedelta(minutes=10)
_CALLS_AT_ONCE = 1_000
# Maximum number of parent spans to follow: more than traces are deep, and it ends cycles.
_DEEPEST = 100
# Each try knows the spans that others recorded during the one before.
_MOST_TRIES = 20
_DELETE_EVERY_SECONDS = 60.0
_DELETE_AT_ONCE = 5_000


class Calls(NamedTuple):
    """The calls of spans: for each the spans that report it, innermost first. `repeating` only sum up others."""

    groups: list[list[str]]
    repeating: set[str]


class SpanEngine:
    """Records the calls that spans report. Spans are kept for ten minutes, to recognise repeated calls."""

    def __init__(
        self, database: Database, pricing: PricingEngine, events: EventEngine, changes: Changes, limit: Buckets
    ) -> None:
        self._database = database
        self._limit = limit
        self._pricing = pricing
        self._events = events
        self._changes = changes
        self.deleting = Background("Deletions of old spans", self._delete, _DELETE_EVERY_SECONDS)

    async def record(self, identity: Identity, spans: Sequence[ReportedSpan]) -> list[str]:
        """Records the calls of spans; returns the faults of those that were not recorded."""
        self._limit.take(identity.workspace_id, sum(span.call is not None for span in spans))
        faults: list[str] = []
        for part in _parts(spans):
            faults += await self._record(identity, part)
        return faults

    async def _record(self, identity: Identity, spans: Sequence[ReportedSpan]) -> list[str]:
        own, faults = await self._price(identity, spans)
        known: Sequence[ReportedSpan] = ()
        others: Mapping[str, NewEvent] = {}
        # A span whose event is not valid is kept as one without a call.
        kept = [span if span.id in own else span._replace(call=None) for span in spans]
        for _ in range(_MOST_TRIES):
            reports = {**others, **own}
            found = calls_of({span.id: span for span in (*known, *kept)}, reports)
            events = [
                await self._pricing.completed(identity, [reports[key] for key in group]) for group in found.groups
            ]
            ids = {event.id for event in events}
            repeated = [RepeatedCall(reports[key].id, key) for key in reports if reports[key].id not in ids]
            at = now()
            try:
                with count_commit(len(events)):
                    result = await self._database.record_spans(
                        identity.workspace_id, kept, [span.id for span in known], events, repeated, at
                    )
            finally:
                self._changes.note(identity.workspace_id, "events")
            if result.family:
                known = result.family
                others, _ = await self._price(identity, known)
                continue
            # What was recorded for a span that sums up others is replaced, and not completed.
            replaced = {reports[key].id for key in found.repeating}
            if not await self._events.correct(
                identity, [(each.event, events[each.position]) for each in result.duplicates], replaced
            ):
                return faults
        raise Unavailable("Other requests report the same calls at this moment; send these spans again")

    async def _price(self, identity: Identity, spans: Iterable[ReportedSpan]) -> tuple[dict[str, NewEvent], list[str]]:
        calls = [span for span in spans if span.call is not None]
        if not calls:
            return {}, []
        batch = EventBatch.model_construct(events=[span.call for span in calls])
        events, rejected = await self._pricing.price_batch(identity, batch)
        faulty = {rejection.index for rejection in rejected}
        valid = (span.id for index, span in enumerate(calls) if index not in faulty)
        return dict(zip(valid, events, strict=True)), [rejection.detail for rejection in rejected]

    async def _delete(self) -> bool:
        """Deletes spans that are no longer needed; returns whether there are more."""
        return await self._database.spans_delete(now() - KEPT, _DELETE_AT_ONCE) == _DELETE_AT_ONCE


def calls_of(spans: Mapping[str, ReportedSpan], reports: Mapping[str, NewEvent]) -> Calls:
    """The calls of spans, of which `reports` has the events.

    A span above another call repeats it, or sums up several. Spans with the same id of a response report the same call.
    """
    above = {key: _path(spans, key) for key in reports}
    within: dict[str, list[str]] = {}
    for key, path in above.items():
        nearest = next((each for each in path if each in reports), None)
        if nearest is not None:
            within.setdefault(nearest, []).append(key)
    repeating: set[str] = set()
    group_of = {key: [key] for key in reports}
    for key, inner in within.items():
        if len(inner) == 1 and _is_same(reports[key], reports[inner[0]]):
            _unite(group_of, key, inner[0])
        elif _is_sum(reports[key], [reports[each] for each in inner]):
            repeating.add(key)
    of_response: dict[UUID, str] = {}
    for key, report in reports.items():
        if report.is_response and key not in repeating:
            _unite(group_of, key, of_response.setdefault(report.id, key))
    groups = {id(group): group for group in group_of.values()}
    return Calls(
        [
            sorted(group, key=lambda key: (-len(above[key]), key))
            for group in groups.values()
            if repeating.isdisjoint(group)
        ],
        repeating,
    )


def _path(spans: Mapping[str, ReportedSpan], key: str) -> list[str]:
    """The ids of the spans above one, from the nearest on."""
    path: list[str] = []
    while key in spans and len(path) < _DEEPEST:
        parent = spans[key].parent_id
        if parent is None:
            break
        path.append(key := parent)
    return path


def _unite(group_of: dict[str, list[str]], one: str, other: str) -> None:
    group, added = group_of[one], group_of[other]
    if group is not added:
        group += added
        group_of.update(dict.fromkeys(added, group))


def _is_same(outer: NewEvent, inner: NewEvent) -> bool:
    """Whether a span and the only call within it report the same call."""
    return _is_uncounted(outer) or (not _is_uncounted(inner) and _is_sum(outer, [inner]))


def _is_sum(whole: NewEvent, parts: Iterable[NewEvent]) -> bool:
    """Whether the tokens of a call are the sums of those within it, with the cached parts of the prompts or without."""
    if _is_uncounted(whole):
        return True
    counted = [part.usage for part in parts if not _is_uncounted(part)]
    prompts = {sum(usage.prompt_tokens for usage in counted), sum(usage.input_tokens for usage in counted)}
    return (
        bool(counted)
        and whole.usage.output_tokens == sum(usage.output_tokens for usage in counted)
        and not prompts.isdisjoint({whole.usage.prompt_tokens, whole.usage.input_tokens})
    )


def _is_uncounted(report: NewEvent) -> bool:
    """Whether a call failed before anything was counted."""
    return report.status != "success" and not report.usage.total_tokens


def _parts(spans: Sequence[ReportedSpan]) -> Iterator[list[ReportedSpan]]:
    """The spans in parts of about a thousand calls. A trace is never divided."""
    traces: dict[str, list[ReportedSpan]] = {}
    for span in spans:
        traces.setdefault(span.id.partition(":")[0], []).append(span)
    part: list[ReportedSpan] = []
    calls = 0
    for trace in traces.values():
        if calls >= _CALLS_AT_ONCE:
            yield part
            part, calls = [], 0
        part += trace
        calls += sum(span.call is not None for span in trace)
    if part:
        yield part
