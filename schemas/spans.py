"""Spans of OpenTelemetry, and the calls that they report."""

from typing import Any, NamedTuple
from uuid import UUID

from models import Row
from schemas.events import Duplicate


class ReportedSpan(NamedTuple):
    """A span, and the event that it reports; None for a span that is no model call.

    An id has the ids of the trace and of the span, joined by a colon. `parent_id` is None at the root of a trace.
    """

    id: str
    parent_id: str | None
    call: dict[str, Any] | None


class RepeatedCall(NamedTuple):
    """An event that counts a call once more if it was recorded for this span."""

    id: UUID
    span_id: str


class RecordedSpans(Row):
    """The result of recording spans. With a `family`, nothing is recorded until these spans are known too."""

    family: list[ReportedSpan]
    duplicates: list[Duplicate]
