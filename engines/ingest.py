"""The ingest engine: OpenTelemetry spans and LiteLLM records, recorded as events."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from engines.events import EventEngine
from engines.spans import SpanEngine
from engines.unread_spans import MOST_KINDS, UnreadSpanEngine, UnreadTotal
from providers import PriceBook
from providers.formats import (
    ERROR_TYPE,
    MODEL_GROUP,
    PROJECT,
    TAG,
    Counts,
    ReportedCall,
    Span,
    UnreadCall,
    error_fields,
    litellm_event,
    parse_call,
    read_spans,
    response_fields,
    unread_call,
    wanted,
    without_texts,
)
from schemas.events import BatchResult, EventBatch, Rejection
from schemas.identities import Identity
from schemas.spans import ReportedSpan
from utils.errors import BadRequest, Invalid, PayloadTooLarge, UnsupportedMediaType
from utils.ids import is_uuid
from utils.json import JsonReader, TooManyValues
from utils.otlp import JSON, PROTOBUF, inflated, media_type_of, traces_answer

_BATCH = 1_000
# Seconds of work before other requests get their turn.
_TURN = 0.004
_LONGEST_NAME = 128
_MOST_TAGS = 8
_MOST_FAULTS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_RECORDS = 10_000
# Maximum number of parent spans to follow: more than traces are deep, and it ends cycles.
_DEEPEST = 100


class IngestEngine:
    """Turns reported calls into events and has them recorded.

    One body is read at a time, with pauses for other requests, so that large ones take little memory and block nothing.
    """

    def __init__(
        self, prices: PriceBook, events: EventEngine, spans: SpanEngine, unread_spans: UnreadSpanEngine
    ) -> None:
        self._prices = prices
        self._events = events
        self._spans = spans
        self._unread_spans = unread_spans
        self._reading = asyncio.Lock()

    async def traces(self, identity: Identity, body: bytes, content_type: str, encoding: str) -> tuple[bytes, str]:
        """Records the model calls among the spans of an OTLP request; returns the answer and its media type.

        Raises UnsupportedMediaType, BadRequest for a body that cannot be read, PayloadTooLarge.
        """
        media_type = media_type_of(content_type)
        if media_type not in (PROTOBUF, JSON):
            raise UnsupportedMediaType(f"Send traces as {PROTOBUF} or {JSON}")
        if encoding.strip().lower() not in ("", "identity", "gzip"):
            raise UnsupportedMediaType("Content-Encoding must be gzip or identity")
        async with self._reading:
            turn = _Turn()
            if encoding.strip().lower() == "gzip":
                pieces = []
                for piece in inflated(body, media_type):
                    pieces.append(piece)
                    await turn.share()
                body = b"".join(pieces)
            spans: dict[str, ReportedSpan] = {}
            # Spans that may lie between calls of other requests.
            related: set[str] = set()
            # Spans that look like calls but are not understood.
            unread: dict[str, UnreadCall] = {}
            totals: dict[UnreadCall, UnreadTotal] = {}
            faults: dict[str, str] = {}
            nameless = 0
            for span in read_spans(body, media_type, wanted):
                await turn.share()
                if span is None:
                    continue
                call = parse_call(span)
                if not span.identified:
                    nameless += call is not None
                    continue
                key = f"{span.trace_id}:{span.span_id}"
                event = None
                if call is not None:
                    try:
                        event = self._event(identity, span, call)
                    except Invalid as error:
                        faults[key] = error.detail
                elif (kind := unread_call(span)) is not None and (kind in totals or len(totals) < MOST_KINDS):
                    unread[key] = kind
                    if kind not in totals:
                        totals[kind] = UnreadTotal(without_texts(span))
                parent = f"{span.trace_id}:{span.parent_id}" if span.parent_id else None
                spans[key] = ReportedSpan(key, parent, event)
                if _is_related(span):
                    related.add(key)
            above = await _above_calls(spans, turn)
            for key, kind in unread.items():
                await turn.share()
                # What is above or beneath a call only repeats it.
                totals[kind].spans += key not in above and not _is_beneath_call(spans, key)
        kept = [span for key, span in spans.items() if span.call is not None or key in above or key in related]
        found = await self._spans.record(identity, kept)
        self._unread_spans.note(identity.workspace_id, {kind: total for kind, total in totals.items() if total.spans})
        found += [fault for key, fault in faults.items() if key not in above]
        found += ["a span without a trace id or span id"] * nameless
        summary = ", ".join(f"{text} ({times})" for text, times in Counter(found).most_common(_MOST_FAULTS))
        return traces_answer(media_type, len(found), f"Model calls that were not recorded: {summary}"), media_type

    def _event(self, identity: Identity, span: Span, call: ReportedCall) -> dict[str, Any]:
        """The fields of the event of a span. Raises Invalid for a call without counts or a start time out of range."""
        if call.counts is None and not span.failed:
            raise Invalid("a call without token counts (streams report them only if the application requests them)")
        provider, model = self._prices.names(call.provider, call.model, call.requested)
        event: dict[str, Any] = {
            **(call.counts or Counts(0, 0)).fields(),
            **(error_fields(span.attributes.get(ERROR_TYPE) or span.exception) if span.failed else {}),
            **response_fields(call.response_id, call.call_id or f"{span.trace_id}:{span.span_id}"),
            "provider": provider,
            "model": model,
            "timestamp": _time(span.start),
            "tags": _tags(span.resource, call.group),
            "metadata": {"trace_id": span.trace_id, "span_id": span.span_id, "scope": span.scope[:_LONGEST_NAME]},
        }
        if span.end >= span.start:
            event["latency_ms"] = (span.end - span.start) / 1_000_000
        if call.free:
            event["cost"] = 0
        elif call.cost is not None:
            event["fallback_cost"] = call.cost
        project = _project(identity, span)
        return event | ({} if project is None else {"project": project})

    async def litellm(self, identity: Identity, body: bytes) -> BatchResult:
        """Records the calls of LiteLLM's generic API callback: a list, a single one, or one in each line.

        Raises BadRequest for a body that cannot be read, PayloadTooLarge for a record with too many values in it.
        """
        events: list[dict[str, Any]] = []
        places: list[int] = []
        rejected: list[Rejection] = []
        async with self._reading:
            turn = _Turn()
            index = 0
            try:
                reader = JsonReader(body)
                await turn.share()
                if reader.at_end:
                    raise ValueError("nothing")
                is_list = reader.starts_with("[")
                rest = reader.elements() if is_list else _lines(reader)
                for index, _ in enumerate(rest):
                    payload = reader.value()
                    if index >= _MOST_RECORDS:
                        raise BadRequest(f"The request has more than {_MOST_RECORDS} records")
                    if not isinstance(payload, dict):
                        raise ValueError("no object")
                    try:
                        event = self._litellm_event(identity, payload)
                    except Invalid as error:
                        rejected.append(Rejection(index=index, detail=error.detail))
                    else:
                        if event is not None:
                            events.append(event)
                            places.append(index)
                    await turn.share()
                if not reader.at_end:
                    raise ValueError("more than one value")
            except TooManyValues as error:
                raise PayloadTooLarge(f"Record {index} is too large: {error.msg}") from None
            except (ValueError, RecursionError):
                raise BadRequest("The body is not a JSON list of LiteLLM's StandardLoggingPayload") from None
        result = await self._track(identity, events)
        rejected += [rejection.model_copy(update={"index": places[rejection.index]}) for rejection in result.rejected]
        return result.model_copy(update={"rejected": sorted(rejected, key=lambda rejection: rejection.index)})

    def _litellm_event(self, identity: Identity, payload: Mapping[str, Any]) -> dict[str, Any] | None:
        event = litellm_event(payload, self._prices.names)
        if event is not None and identity.project is not None:
            event.pop("project", None)
        return event

    async def _track(self, identity: Identity, events: list[dict[str, Any]]) -> BatchResult:
        """Tracks any number of events; a rejection has the event's place among all of them."""
        recorded = duplicates = 0
        rejected: list[Rejection] = []
        for start in range(0, len(events), _BATCH):
            batch = EventBatch.model_construct(events=events[start : start + _BATCH])
            result = await self._events.track_batch(identity, batch)
            recorded += result.recorded
            duplicates += result.duplicates
            rejected += [Rejection(index=start + each.index, detail=each.detail) for each in result.rejected]
        return BatchResult(recorded=recorded, duplicates=duplicates, rejected=rejected)


class _Turn:
    """A stretch of work on the event loop."""

    def __init__(self) -> None:
        self._ends = time.perf_counter() + _TURN

    async def share(self) -> None:
        """Pauses for other requests if the turn is over."""
        if time.perf_counter() >= self._ends:
            await asyncio.sleep(0)
            self._ends = time.perf_counter() + _TURN


def _lines(reader: JsonReader) -> Iterator[None]:
    """Yields before each of several values in a row."""
    while not reader.at_end:
        yield None


def _is_related(span: Span) -> bool:
    """Whether a span has to do with model calls: it has one of their attributes."""
    return any(key not in (ERROR_TYPE, PROJECT) and not key.startswith(TAG) for key in span.attributes)


async def _above_calls(spans: Mapping[str, ReportedSpan], turn: _Turn) -> set[str]:
    """The spans above calls."""
    above: set[str] = set()
    for span in spans.values():
        await turn.share()
        key = span.parent_id
        while span.call is not None and key is not None and key in spans and key not in above:
            above.add(key)
            key = spans[key].parent_id
    return above


def _is_beneath_call(spans: Mapping[str, ReportedSpan], key: str) -> bool:
    """Whether one of the spans above a span is a call."""
    for _ in range(_DEEPEST):
        parent = spans[key].parent_id
        if parent is None or parent not in spans:
            return False
        if spans[parent].call is not None:
            return True
        key = parent
    return False


def _time(nanoseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        raise Invalid("a span without a valid start time") from None


def _project(identity: Identity, span: Span) -> str | None:
    """The project of the span or its resource; else of the API key, for which None is returned; else the service."""
    named = span.attributes.get(PROJECT) or span.resource.get(PROJECT)
    if named is not None or identity.project is not None:
        return None if named is None else str(named)
    service = _service(span.resource)
    return None if service is None or is_uuid(service) else service


def _service(resource: Mapping[str, Any]) -> str | None:
    """The name of the application; None without one, for which exporters put the name of its runtime."""
    name = resource.get("service.name")
    return name if _is_name(name) and not name.startswith("unknown_service") else None


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _tags(resource: Mapping[str, Any], group: str | None) -> dict[str, str]:
    """The sender's own tags, and the model group and those of the resource that there is room for."""
    tags = {key.removeprefix(TAG): str(value) for key, value in resource.items() if key.startswith(TAG)}
    named = {
        MODEL_GROUP: group,
        "environment": resource.get("deployment.environment.name") or resource.get("deployment.environment"),
        "service": _service(resource),
        "namespace": resource.get("service.namespace"),
    }
    for key, value in named.items():
        if _is_name(value) and len(tags) < _MOST_TAGS:
            tags.setdefault(key, value)
    return tags
