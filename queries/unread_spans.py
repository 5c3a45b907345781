"""Spans that look like model calls, but are of no known convention."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.unread_spans import UnreadCount, UnreadSpan
from utils import json


class UnreadSpanQueries(Functions):
    async def unread_spans_note(self, workspace_id: UUID, counts: Sequence[UnreadCount], now: datetime) -> None:
        """Adds to the counts of spans."""
        await self._do(
            "unread_spans_note",
            workspace_id=workspace_id,
            counts=json.dumps([count._asdict() for count in counts]).decode(),
            now=now,
        )

    @function
    async def unread_spans_list(self, workspace_id: UUID, now: datetime) -> list[UnreadSpan]: ...
