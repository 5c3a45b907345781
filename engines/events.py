"""The event engine: prices each call, records it exactly once, and lists what was recorded."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from database import Database
from engines.changes import Changes
from engines.terms import EARLIEST, TermsEngine, WorkspaceTerms
from models import Violation
from providers import PriceBook
from schemas.events import (
    BatchResult,
    Event,
    EventBatch,
    EventDetail,
    EventFilter,
    EventPage,
    NewEvent,
    Rejection,
    StoredEvent,
    Tracked,
)
from schemas.identities import Identity
from schemas.llm import LoggedCall, ObservedCall
from schemas.usage import EventRates, Usage
from utils.cursors import page_of, read_cursor, write_cursor
from utils.errors import Conflict, Invalid, NotFound
from utils.group_commit import GroupCommit
from utils.ids import event_uuid, is_uuid, uuid7
from utils.metrics import count_commit
from utils.time import now

_MOST_AHEAD = timedelta(days=1)
# Size that an event has without large metadata, as JSON.
_BYTES_OF_AN_EVENT = 1024
# Events of a batch that are priced before other requests get their turn.
_EVENTS_IN_A_ROW = 25


class EventEngine:
    """Prices events, records each exactly once, and answers with the recorded ones."""

    def __init__(self, database: Database, prices: PriceBook, terms: TermsEngine, changes: Changes) -> None:
        self._database = database
        self._prices = prices
        self._terms = terms
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
        priced, result = await self._store(identity, self._event_of(call), idempotency_key)
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

    def _event_of(self, call: ObservedCall) -> Event:
        """The event of a call. Raises Invalid for an unknown model or provider."""
        if call.model_id is not None:
            found = self._prices.model_of_id(call.model_id)
            if found is None:
                raise Invalid("model_id must be an id from GET /api/llm/models", loc=("body", "model_id"))
            provider, model = found
        else:
            assert call.model is not None
            known = call.provider or self._prices.provider_of(call.model)
            if known is None:
                raise Invalid(
                    "provider is required, because the price list has no such model", loc=("body", "provider")
                )
            provider, model = known, call.model
        return Event(
            provider=provider,
            model=model,
            input_tokens=call.prompt_tokens,
            output_tokens=call.completion_tokens,
            latency_ms=call.latency_ms,
            status=call.status,
            error_message=call.error_message,
        )

    async def _store(
        self, identity: Identity, event: Event, idempotency_key: str | None
    ) -> tuple[NewEvent, StoredEvent | datetime]:
        """Stores one event; returns it as priced, and the time it was recorded or the event that was there before."""
        if event.id is None and idempotency_key is not None:
            event = event.model_copy(update={"id": idempotency_key})
        terms = await self._terms.get(identity.workspace_id)
        priced = self._price(identity, event, now(), terms)
        if event.project is not None and not priced.project:
            terms = await self._with_projects(identity, terms, [event.project])
            priced = priced._replace(project=_key_of(event.project, terms))
        (result,) = await self._recorder.put(identity.workspace_id, [priced])
        return priced, result

    async def track_batch(
        self, identity: Identity, batch: EventBatch, idempotency_key: str | None = None
    ) -> BatchResult:
        """Stores the valid events of a batch and reports the faults of the others.

        With an idempotency key, the id of an event without one is the key and its place in the batch.
        """
        async with self._batches:
            events, rejected = await self._price_batch(identity, batch, idempotency_key)
        results = await self._recorder.put(identity.workspace_id, events) if events else []
        recorded = sum(isinstance(result, datetime) for result in results)
        return BatchResult(recorded=recorded, duplicates=len(results) - recorded, rejected=rejected)

    async def _price_batch(
        self, identity: Identity, batch: EventBatch, idempotency_key: str | None
    ) -> tuple[list[NewEvent], list[Rejection]]:
        at = now()
        terms = await self._terms.get(identity.workspace_id)
        events: list[NewEvent] = []
        rejected: list[Rejection] = []
        # By place in `events`: the place in the batch, and the project that does not exist yet.
        unfiled: dict[int, tuple[int, str]] = {}
        for index, raw in enumerate(batch.events):
            if index % _EVENTS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            try:
                event = Event.model_validate(raw)
                if event.id is None and idempotency_key is not None:
                    event = event.model_copy(update={"id": f"{idempotency_key}:{index}"})
                priced = self._price(identity, event, at, terms)
            except ValidationError as error:
                rejected.append(Rejection(index=index, detail=_first_fault(error)))
                continue
            except Invalid as error:
                rejected.append(Rejection(index=index, detail=error.detail))
                continue
            if event.project is not None and not priced.project:
                unfiled[len(events)] = (index, event.project)
            events.append(priced)
        if unfiled:
            terms = await self._with_projects(identity, terms, [name for _, name in unfiled.values()])
            for place, (index, name) in reversed(unfiled.items()):
                try:
                    events[place] = events[place]._replace(project=_key_of(name, terms))
                except Invalid as error:
                    rejected.append(Rejection(index=index, detail=error.detail))
                    del events[place]
        return events, sorted(rejected, key=lambda rejection: rejection.index)

    async def _with_projects(self, identity: Identity, terms: WorkspaceTerms, names: Iterable[str]) -> WorkspaceTerms:
        """The terms of the workspace after creating the projects that are named for the first time.

        A key of one project creates no others, and an id is never taken for a name.
        """
        made = sorted({name for name in names if not is_uuid(name)})
        if not made or identity.project is not None:
            return terms
        try:
            await self._database.project_create(identity, made, now())
        except Conflict as error:
            raise Invalid(error.detail, loc=("body", "project")) from None
        self._terms.forget()
        self._changes.note(identity.workspace_id, "projects")
        return await self._terms.get(identity.workspace_id)

    def _price(self, identity: Identity, event: Event, at: datetime, terms: WorkspaceTerms) -> NewEvent:
        """The event with its cost and its project's key, which is '' for none and for one that does not exist yet."""
        timestamp = event.timestamp or at
        if timestamp > at + _MOST_AHEAD:
            raise Invalid("timestamp is more than a day in the future", loc=("body", "timestamp"))
        if timestamp < EARLIEST:
            raise Invalid("timestamp is before the year 2000", loc=("body", "timestamp"))
        earliest = terms.earliest(at)
        if timestamp < earliest:
            raise Invalid(
                f"timestamp is before {earliest:%Y-%m-%dT%H:%MZ}, the start of the retention period",
                loc=("body", "timestamp"),
            )
        model, usage = event.model, None
        if event.response is not None:
            reported, usage = self._prices.read_response(event.provider, event.response, event.api_flavor)
            model = model or reported
            if model is None:
                raise Invalid("The response does not name a model; also send model", loc=("body", "model"))
            if len(model) > 256 or not model.isprintable():
                raise Invalid("The model name in the response is not valid", loc=("body", "response", "model"))
        assert model is not None
        usage = usage or event.usage()
        price = self._prices.price(event.provider, model, usage, timestamp, event.cost, terms.prices)
        if price.cost is None and event.fallback_cost is not None:
            price = self._prices.price(event.provider, model, usage, timestamp, event.fallback_cost)
        return NewEvent(
            id=uuid7(timestamp) if event.id is None else event_uuid(event.id),
            user_id=identity.user_id,
            timestamp=timestamp,
            provider=event.provider,
            model=model,
            usage=usage,
            price=price,
            project=(identity.project if event.project is None else terms.project(event.project)) or "",
            status=event.status,
            latency_ms=None if event.latency_ms is None else round(event.latency_ms, 3),
            error_message=event.error_message,
            tags=event.tags,
            metadata=event.metadata,
            api_key_id=identity.key_id,
            reservation_id=event.reservation_id,
            policy_violations=_violations(model, usage, terms) if terms.policy else (),
        )

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
        stored = await self._database.event_one(identity.workspace_id, event_uuid(event_id))
        if stored is None:
            raise NotFound("Event not found")
        terms = await self._terms.get(identity.workspace_id)
        return EventDetail.model_construct(**stored.__dict__, rates=self._rates(stored, terms))

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


def _key_of(project: str, terms: WorkspaceTerms) -> str:
    """The key of the project of that name or id. Raises Invalid for one that does not exist."""
    key = terms.project(project)
    if key is None:
        hint = "" if is_uuid(project) else ", and this API key may not create projects"
        raise Invalid(f"The project {project!r} does not exist{hint}", loc=("body", "project"))
    return key


def _violations(model: str, usage: Usage, terms: WorkspaceTerms) -> Sequence[Violation]:
    return [breach.reason for breach in terms.policy.breaches(model, usage.total_tokens)]


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


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
