"""Events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from queries.functions import Functions, function
from schemas.events import Correction, Duplicate, EventFilter, NewEvent, StoredEvent
from utils import json


class EventQueries(Functions):
    async def record_events(
        self, workspace_id: UUID, events: Sequence[NewEvent], created_at: datetime
    ) -> list[Duplicate]:
        """Stores the events that are new; returns the others as they were stored, by their position in `events`."""
        return await self._ask(
            list[Duplicate],
            "record_events",
            workspace_id=workspace_id,
            created_at=created_at,
            events=json.dumps([event_row(event) for event in events]).decode(),
        )

    async def correct_events(
        self, workspace_id: UUID, corrections: Sequence[Correction], corrected_at: datetime
    ) -> list[UUID]:
        """Corrects events; returns those that were corrected or deleted by another in the meantime."""
        return await self._ask(
            list[UUID],
            "correct_events",
            workspace_id=workspace_id,
            corrected_at=corrected_at,
            corrections=json.dumps(
                [
                    {"id": each.event.id, "corrected_at": each.corrected_at, "event": event_row(each.event)}
                    for each in corrections
                ]
            ).decode(),
        )

    @function
    async def event_one(self, workspace_id: UUID, event_id: UUID) -> StoredEvent | None: ...

    @function
    async def event_list(self, workspace_id: UUID, wanted: EventFilter) -> list[StoredEvent]: ...


def event_row(event: NewEvent) -> dict[str, Any]:
    """An event as record_events and correct_events take it."""
    usage, price = event.usage, event.price
    row: dict[str, Any] = {
        "id": event.id,
        "timestamp": event.timestamp,
        "user_id": event.user_id,
        "provider": event.provider,
        "model": event.model,
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost": price.cost,
        "pricing": price.pricing,
        "project": event.project,
        "status": event.status,
        "latency_ms": event.latency_ms,
    }
    if event.error_message is not None:
        row["error_message"] = event.error_message
    if event.tags:
        row["tags"] = event.tags
    if event.metadata is not None:
        row["metadata"] = orjson.Fragment(event.metadata)
    if usage.detail:
        row["usage_detail"] = usage.detail
    if event.api_key_id is not None:
        row["api_key_id"] = event.api_key_id
    if event.reservation_id is not None:
        row["reservation_id"] = event.reservation_id
    if event.unchecked:
        row["unchecked"] = True
    if event.policy_violations:
        row["policy_violations"] = event.policy_violations
    return row
