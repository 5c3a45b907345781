"""Spans of OpenTelemetry."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from queries.events import event_row
from queries.functions import Functions, function
from schemas.events import NewEvent
from schemas.spans import RecordedSpans, RepeatedCall, ReportedSpan
from utils import json


class SpanQueries(Functions):
    async def record_spans(
        self,
        workspace_id: UUID,
        spans: Sequence[ReportedSpan],
        known: Sequence[str],
        events: Sequence[NewEvent],
        repeated: Sequence[RepeatedCall],
        created_at: datetime,
    ) -> RecordedSpans:
        """Stores spans and records the events of their calls, unless they have a family besides the `known` spans."""
        return await self._ask(
            RecordedSpans,
            "record_spans",
            workspace_id=workspace_id,
            created_at=created_at,
            spans=_text([span._asdict() for span in spans]),
            known=_text(known),
            events=_text([event_row(event) for event in events]),
            repeated=_text([each._asdict() for each in repeated]),
        )

    @function
    async def spans_delete(self, before: datetime, limit: int) -> int:
        """Deletes up to `limit` spans that were seen before a time; returns how many."""


def _text(values: Sequence[Any]) -> str:
    return json.dumps(values).decode()
