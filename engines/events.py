"""The event engine: records each call exactly once, and lists what was recorded."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from database import Database
from engines.changes import Changes
from engines.pricing import PricingEngine
from engines.terms import TermsEngine, WorkspaceTerms
from providers import PriceBook
from schemas.events import (
    BatchResult,
    Event,
    EventBatch,
    EventDetail,
    EventFilter,
    EventPage,
    NewEvent,
    StoredEvent,
    Tracked,
)
from schemas.identities import Identity
from schemas.llm import LoggedCall, ObservedCall
from schemas.usage import EventRates, Usage
from utils.cursors import page_of, read_cursor, write_cursor
from utils.errors import NotFound, Unavailable
from utils.group_commit import GroupCommit
from utils.ids import event_uuid
from utils.metrics import count_commit
from utils.rate_limits import Buckets
from utils.time import now

# Each try sees the corrections that others made during the one before.
_MOST_TRIES = 20
# Size that an event has without large metadata, as JSON.
_BYTES_OF_AN_EVENT = 1024


class EventEngine:
    """Records each event exactly once, and answers with the recorded ones."""

    def __init__(
        self,
        database: Database,
        prices: PriceBook,
        terms: TermsEngine,
        pricing: PricingEngine,
        changes: Changes,
        limit: Buckets,
    ) -> None:
        self._database = database
        self._limit = limit
        self._prices = prices
        self._terms = terms
        self._pricing = pricing
        self._changes = changes
        # Batches are priced one after the other, so that the first is being written while the second is priced.
        self._batches = asyncio.Lock()
        self._recorder: GroupCommit[UUID, NewEvent, StoredEvent | datetime] = GroupCommit(self._record, size_of=_size)

    @property
    def waiting(self) -> int:
        """The number of events that are accepted and not yet committed."""
        return self._recorder.waiting

    async def close(self) -> None:
        """Returns when every accepted event is committed."""
        await self._recorder.close()

    # Recording

    async def track(self, identity: Identity, event: Event, idempotency_key: str | None = None) -> tuple[Tracked, bool]:
        """Stores one event; returns what is stored and whether it is new. An event sent again changes nothing."""
        priced, result = await self._store(identity, event, idempotency_key)
        if isinstance(result, datetime):
            return _tracked(priced, result), True
        return _first_tracked(result), False

    async def log_call(self, identity: Identity, call: ObservedCall, idempotency_key: str | None = None) -> LoggedCall:
        """Stores a call as an event, as `track` does; returns what is stored. Raises Invalid for an unknown model."""
        priced, result = await self._store(identity, self._pricing.event_of(call), idempotency_key)
        if isinstance(result, datetime):
            return LoggedCall(
                **_tracked(priced, result).__dict__,
                prompt_tokens=priced.usage.prompt_tokens,
                completion_tokens=priced.usage.output_tokens,
                latency_ms=priced.latency_ms,
                status=priced.status,
                error_message=priced.error_message,
            )
        return LoggedCall(
            **_first_tracked(result).__dict__,
            prompt_tokens=result.input_tokens,
            completion_tokens=result.output_tokens,
            latency_ms=result.latency_ms,
            status=result.status,
            error_message=result.error_message,
        )

    async def _store(
        self, identity: Identity, event: Event, idempotency_key: str | None
    ) -> tuple[NewEvent, StoredEvent | datetime]:
        """Stores one event; returns it as priced, and the time it was recorded or the event that was there before."""
        self._limit.take(identity.workspace_id)
        if event.id is None and event.response_id is None and idempotency_key is not None:
            event = event.model_copy(update={"id": idempotency_key})
        priced = await self._pricing.price(identity, event)
        (result,) = await self._recorder.put(identity.workspace_id, [priced])
        if priced.is_response and isinstance(result, StoredEvent):
            await self._complete(identity, [priced], [result])
            return priced, await self._stored(identity, priced.id)
        return priced, result

    async def track_batch(
        self, identity: Identity, batch: EventBatch, idempotency_key: str | None = None
    ) -> BatchResult:
        """Stores the valid events of a batch and reports the faults of the others.

        With an idempotency key, the id of an event without one is the key and its place in the batch.
        """
        self._limit.take(identity.workspace_id, len(batch.events))
        async with self._batches:
            events, rejected = await self._pricing.price_batch(identity, batch, idempotency_key)
        results = await self._recorder.put(identity.workspace_id, events) if events else []
        recorded = sum(isinstance(result, datetime) for result in results)
        if recorded < len(events):
            await self._complete(identity, events, results)
        return BatchResult(recorded=recorded, duplicates=len(results) - recorded, rejected=rejected)

    async def _complete(
        self, identity: Identity, events: Sequence[NewEvent], results: Sequence[StoredEvent | datetime]
    ) -> None:
        """Completes the stored events of which others report the same response."""
        for _ in range(_MOST_TRIES):
            pairs = [
                (result, event)
                for event, result in zip(events, results, strict=True)
                if event.is_response and isinstance(result, StoredEvent)
            ]
            changed = await self.correct(identity, pairs)
            if not changed:
                return
            # Events that others have changed meanwhile are looked up again. One that is gone is recorded.
            events = [event for _, event in pairs if event.id in changed]
            results = await self._recorder.put(identity.workspace_id, events)
        raise Unavailable("Other requests report the same calls at this moment; send these events again")

    async def correct(
        self,
        identity: Identity,
        pairs: Iterable[tuple[StoredEvent, NewEvent]],
        replaced: Collection[UUID] = (),
    ) -> set[UUID]:
        """Completes stored events by further reports of their calls, or replaces those of `replaced`.

        Returns the ids of those that others have changed meanwhile, which are left as they are.
        """
        reports: dict[UUID, list[NewEvent]] = {}
        stored: dict[UUID, StoredEvent] = {}
        for known, report in pairs:
            stored[report.id] = known
            reports.setdefault(report.id, []).append(report)
        found = [
            await self._pricing.correction(identity, stored[id], given, replace=id in replaced)
            for id, given in reports.items()
        ]
        corrections = [correction for correction in found if correction is not None]
        if not corrections:
            return set()
        try:
            return set(await self._database.correct_events(identity.workspace_id, corrections, now()))
        finally:
            self._changes.note(identity.workspace_id, "events")

    async def _record(self, workspace_id: UUID, events: Sequence[NewEvent]) -> list[StoredEvent | datetime]:
        """For each event the time it was recorded, or the event that had been stored before."""
        at = now()
        results: list[StoredEvent | datetime] = [at] * len(events)
        try:
            with count_commit(len(events)):
                duplicates = await self._database.record_events(workspace_id, events, at)
        finally:
            # After a lost connection it is unknown whether the events were recorded.
            self._changes.note(workspace_id, "events")
        for duplicate in duplicates:
            results[duplicate.position] = duplicate.event
        return results

    # Reading events

    async def event(self, identity: Identity, event_id: str) -> EventDetail:
        """One event, by our id or its sender's. Raises NotFound."""
        stored = await self._stored(identity, event_uuid(event_id))
        terms = await self._terms.get(identity.workspace_id)
        return EventDetail.model_construct(**stored.__dict__, rates=self._rates(stored, terms))

    async def _stored(self, identity: Identity, event_id: UUID) -> StoredEvent:
        stored = await self._database.event_one(identity.workspace_id, event_id)
        if stored is None:
            raise NotFound("Event not found")
        return stored

    async def events(self, identity: Identity, wanted: EventFilter, cursor: str | None) -> EventPage:
        """A page of events, newest first. Raises Invalid for a cursor that no answer contained."""
        before = None if cursor is None else read_cursor(cursor)
        found = await self._database.event_list(
            identity.workspace_id,
            replace(wanted, before=before, limit=wanted.limit + 1),
        )
        page, next_cursor = page_of(found, wanted.limit, lambda event: write_cursor(event.timestamp, event.event_id))
        return EventPage(count=len(page), events=page, next_cursor=next_cursor)

    def _rates(self, stored: StoredEvent, terms: WorkspaceTerms) -> EventRates | None:
        """The event's rates; None if today's prices do not lead to the stored cost."""
        if stored.cost is None or stored.usage_detail:
            return None
        usage = Usage.of_prompt(
            input_tokens=stored.input_tokens,
            cache_read_tokens=stored.cache_read_tokens,
            cache_write_5m_tokens=stored.cache_write_tokens,
            cache_write_1h_tokens=stored.cache_write_1h_tokens,
            output_tokens=stored.output_tokens,
            reasoning_tokens=stored.reasoning_tokens,
        )
        rates = self._prices.rates(stored.provider, stored.model, usage.prompt_tokens, stored.timestamp, terms.prices)
        if rates is None or stored.pricing == "caller" or rates.cost(usage) != stored.cost:
            return None
        return EventRates.of(rates)


def _size(event: NewEvent) -> int:
    """The size of an event, by which a write takes at most some megabytes."""
    return 1 if event.metadata is None else 1 + len(event.metadata) // _BYTES_OF_AN_EVENT


def _tracked(event: NewEvent, at: datetime) -> Tracked:
    return Tracked(
        event_id=event.id,
        user_id=event.user_id,
        provider=event.provider,
        model=event.model,
        total_tokens=event.usage.total_tokens,
        cost=event.price.cost,
        pricing=event.price.pricing,
        tracked_at=at,
        policy_violations=list(event.policy_violations),
    )


def _first_tracked(stored: StoredEvent) -> Tracked:
    return Tracked(**{name: getattr(stored, name) for name in Tracked.model_fields})
