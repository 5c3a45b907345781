"""The cost engine: what each call cost, kept once, and what it all comes to."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from database import Database
from models import Violation
from providers import OwnPrices, Policy, PriceBook
from schemas.costs import (
    CostByProject,
    CostByProvider,
    CostByTag,
    CostSummary,
    SeriesFilter,
    Step,
    TagKeys,
    Timeseries,
    TopModels,
)
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
from schemas.live import Changed
from schemas.llm import LoggedCall, ObservedCall
from schemas.ranges import CostRange
from schemas.reservations import PlannedCall
from schemas.terms import Estimate, Terms
from schemas.usage import EventRates, Usage
from utils.cursors import page, read_cursor, write_cursor
from utils.errors import Conflict, Invalid, NotFound
from utils.group_commit import GroupCommit
from utils.ids import event_uuid, is_uuid, uuid7
from utils.metrics import count_commit
from utils.recent import Recent
from utils.time import hour_before, now

_MOST_AHEAD = timedelta(days=1)
_EARLIEST = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
# So many events of a batch are priced before other requests get their turn.
_EVENTS_IN_A_ROW = 25
_MOST_TAG_KEYS = 1000
_LONGEST_HOURLY_RANGE = timedelta(days=32)
_MOST_TERMS = 1_000


class Known:
    """What is known of a workspace when its events are recorded.

    The keys of its projects, its own prices, its policy, and how old an event may be.
    """

    def __init__(self, terms: Terms) -> None:
        self.version = terms.version
        self.prices = OwnPrices(terms.prices)
        self.policy = Policy(terms.settings)
        self._events_since = terms.events_since or _EARLIEST
        days = terms.settings.retention_days
        self._retention = None if days is None else timedelta(days=days)
        self._projects = {str(project.id): project.key for project in terms.projects}
        # A name wins over an id that reads the same.
        self._projects |= {project.name: project.key for project in terms.projects}

    def project(self, name: str) -> str | None:
        """The key of the project of that name or id; None when there is none."""
        return self._projects.get(name) or self._projects.get(name.lower() if is_uuid(name) else name)

    def earliest(self, at: datetime) -> datetime:
        """The earliest time an event may have: older ones may have been deleted, and would count a second time."""
        if self._retention is None:
            return self._events_since
        return max(self._events_since, hour_before(at - self._retention))


class CostEngine:
    """Prices events, records each exactly once, and answers what was spent.

    `changed` is called whenever events may have been recorded or a project was made.
    """

    def __init__(self, database: Database, prices: PriceBook, changed: Changed) -> None:
        self._database = database
        self._prices = prices
        self._changed = changed
        # Batches are priced one after the other, so that the first is being written while the second is priced.
        self._batches = asyncio.Lock()
        self._recorder: GroupCommit[UUID, NewEvent, StoredEvent | datetime] = GroupCommit(self._record)
        self._known: dict[UUID, Known] = {}
        self._terms: Recent[UUID, Known] = Recent(self._look_up_terms)

    def forget_terms(self) -> None:
        """The terms of every workspace are looked up anew: a project, a price or a setting has changed."""
        self._terms.forget()

    @property
    def waiting(self) -> int:
        """How many events are accepted and not yet committed."""
        return self._recorder.waiting

    async def close(self) -> None:
        """Returns when every accepted event is committed."""
        await self._recorder.close()

    # Recording

    async def track(self, identity: Identity, event: Event, idempotency_key: str | None = None) -> tuple[Tracked, bool]:
        """Stores one event; answers what is stored and whether it is new. Sent again, the first one stands."""
        priced, result = await self._store(identity, event, idempotency_key)
        if isinstance(result, datetime):
            return _tracked(priced, result), True
        return _first_tracked(result), False

    async def log_call(self, identity: Identity, call: ObservedCall, idempotency_key: str | None = None) -> LoggedCall:
        """Stores a call as an event, as `track` does; answers what is stored. Raises Invalid for an unknown model."""
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
        """The event that a call is. Raises Invalid for one whose model or provider nobody knows."""
        if call.model_id is not None:
            found = self._prices.model_of_id(call.model_id)
            if found is None:
                raise Invalid("model_id must be an id of GET /api/llm/models", loc=("body", "model_id"))
            provider, model = found
        else:
            assert call.model is not None
            known = call.provider or self._prices.provider_of(call.model)
            if known is None:
                raise Invalid("provider is needed: the price list has no such model", loc=("body", "provider"))
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
        """Stores one event: the event as priced, and the moment it was recorded or what had been stored before."""
        if event.id is None and idempotency_key is not None:
            event = event.model_copy(update={"id": idempotency_key})
        known = await self._terms.get(identity.workspace_id)
        priced = self._price(identity, event, now(), known)
        if event.project is not None and not priced.project:
            known = await self._with_projects(identity, known, [event.project])
            priced = priced._replace(project=_key_of(event.project, known))
        (result,) = await self._recorder.put(identity.workspace_id, [priced])
        return priced, result

    async def track_batch(
        self, identity: Identity, batch: EventBatch, idempotency_key: str | None = None
    ) -> BatchResult:
        """Stores the good events of a batch and says what is wrong with the others.

        With an idempotency key, an event without an id is known by the key and its place in the batch.
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
        known = await self._terms.get(identity.workspace_id)
        events: list[NewEvent] = []
        rejected: list[Rejection] = []
        # By place in `events`: the place in the batch, and the project that is not known yet.
        unfiled: dict[int, tuple[int, str]] = {}
        for index, raw in enumerate(batch.events):
            if index % _EVENTS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            try:
                event = Event.model_validate(raw)
                if event.id is None and idempotency_key is not None:
                    event = event.model_copy(update={"id": f"{idempotency_key}:{index}"})
                priced = self._price(identity, event, at, known)
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
            known = await self._with_projects(identity, known, [name for _, name in unfiled.values()])
            for place, (index, name) in reversed(unfiled.items()):
                try:
                    events[place] = events[place]._replace(project=_key_of(name, known))
                except Invalid as error:
                    rejected.append(Rejection(index=index, detail=error.detail))
                    del events[place]
        return events, sorted(rejected, key=lambda rejection: rejection.index)

    async def _with_projects(self, identity: Identity, known: Known, names: Iterable[str]) -> Known:
        """What is known of the workspace, after making the projects that are named for the first time.

        A key of one project makes no others, and an id is never taken for a name.
        """
        made = sorted({name for name in names if not is_uuid(name)})
        if not made or identity.project is not None:
            return known
        try:
            await self._database.project_create(identity, made, now())
        except Conflict as error:
            raise Invalid(error.detail, loc=("body", "project")) from None
        self.forget_terms()
        self._changed(identity.workspace_id, "projects")
        return await self._terms.get(identity.workspace_id)

    async def _look_up_terms(self, workspace_id: UUID) -> Known:
        known = self._known.get(workspace_id)
        terms = await self._database.workspace_terms(workspace_id, known.version if known else None)
        if terms is not None:
            if len(self._known) >= _MOST_TERMS:
                self._known.clear()
            known = self._known[workspace_id] = Known(terms)
        if known is None:
            raise NotFound("Workspace not found")
        return known

    def _price(self, identity: Identity, event: Event, at: datetime, known: Known) -> NewEvent:
        """The event with what it cost, and the key of its project: '' for one that is not there yet, and for none."""
        timestamp = event.timestamp or at
        if timestamp > at + _MOST_AHEAD:
            raise Invalid("timestamp lies more than a day ahead", loc=("body", "timestamp"))
        if timestamp < _EARLIEST:
            raise Invalid("timestamp lies before the year 2000", loc=("body", "timestamp"))
        earliest = known.earliest(at)
        if timestamp < earliest:
            raise Invalid(
                f"timestamp lies before {earliest:%Y-%m-%dT%H:%MZ}, and older events are not kept",
                loc=("body", "timestamp"),
            )
        model, usage = event.model, None
        if event.response is not None:
            reported, usage = self._prices.read_response(event.provider, event.response, event.api_flavor)
            model = model or reported
            if model is None:
                raise Invalid("The response names no model; send model beside it", loc=("body", "model"))
            if len(model) > 256 or not model.isprintable():
                raise Invalid("The response's model name cannot be stored", loc=("body", "response", "model"))
        assert model is not None
        usage = usage or event.usage()
        price = self._prices.price(event.provider, model, usage, timestamp, event.cost, known.prices)
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
            project=(identity.project if event.project is None else known.project(event.project)) or "",
            status=event.status,
            latency_ms=None if event.latency_ms is None else round(event.latency_ms, 3),
            error_message=event.error_message,
            tags=event.tags,
            metadata=event.metadata,
            api_key_id=identity.key_id,
            reservation_id=event.reservation_id,
            policy_violations=_violations(model, usage, known) if known.policy else (),
        )

    async def _record(self, workspace_id: UUID, events: Sequence[NewEvent]) -> list[StoredEvent | datetime]:
        """For each event the moment it was recorded, or what had been stored of it before."""
        at = now()
        results: list[StoredEvent | datetime] = [at] * len(events)
        try:
            with count_commit(len(events)):
                duplicates = await self._database.record_events(workspace_id, events, at)
        finally:
            # Whoever loses the connection does not know whether it was recorded.
            self._changed(workspace_id, "events")
        for duplicate in duplicates:
            results[duplicate.position] = duplicate.event
        return results

    async def estimate(self, identity: Identity, call: PlannedCall) -> Estimate:
        """What a planned call is filed under, the most it can cost, and the rules of the settings that it breaks."""
        known = await self._terms.get(identity.workspace_id)
        project = identity.project or "" if call.project is None else known.project(call.project)
        usage = Usage(call.input_tokens, output_tokens=call.max_output_tokens)
        price = self._prices.ceiling(call.provider, call.model, usage, now(), known.prices)
        return Estimate(project, price, known.policy.breaches(call.model, usage.total_tokens))

    # Reading events

    async def event(self, identity: Identity, event_id: str) -> EventDetail:
        """One event, by our id or its sender's. Raises NotFound."""
        stored = await self._database.event_one(identity.workspace_id, event_uuid(event_id))
        if stored is None:
            raise NotFound("Event not found")
        known = await self._terms.get(identity.workspace_id)
        return EventDetail.model_construct(**stored.__dict__, rates=self._rates(stored, known))

    async def events(self, identity: Identity, wanted: EventFilter, cursor: str | None) -> EventPage:
        """A page of events, newest first. Raises Invalid for a cursor we did not hand out."""
        before = None if cursor is None else read_cursor(cursor)
        found = await self._database.event_list(
            identity.workspace_id,
            EventFilter(
                start=wanted.start,
                end=wanted.end,
                provider=wanted.provider,
                model=wanted.model,
                project=wanted.project,
                status=wanted.status,
                tag=wanted.tag,
                policy_violation=wanted.policy_violation,
                before=before,
                limit=wanted.limit + 1,
            ),
        )
        rows, next_cursor = page(found, wanted.limit, lambda last: write_cursor(last.timestamp, last.event_id))
        return EventPage(count=len(rows), events=rows, next_cursor=next_cursor)

    def _rates(self, stored: StoredEvent, known: Known) -> EventRates | None:
        """The event's rates, or None if today's prices do not lead to the stored cost."""
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
        rates = self._prices.rates(stored.provider, stored.model, usage.prompt_tokens, stored.timestamp, known.prices)
        if rates is None or stored.pricing == "caller" or rates.cost(usage) != stored.cost:
            return None
        return EventRates.of(rates)

    # Totals

    async def summary(self, identity: Identity, wanted: CostRange) -> CostSummary:
        """Totals, by model and by day."""
        start, end = wanted.resolve(now())
        return await self._database.cost_summary(identity.workspace_id, start, end, wanted.tz)

    async def by_provider(self, identity: Identity, wanted: CostRange) -> CostByProvider:
        """Totals by provider and model."""
        return await self._database.cost_by_provider(identity.workspace_id, *wanted.resolve(now()))

    async def top_models(self, identity: Identity, wanted: CostRange, limit: int) -> TopModels:
        """The dearest models."""
        return await self._database.cost_top_models(identity.workspace_id, *wanted.resolve(now()), limit)

    async def by_project(self, identity: Identity, wanted: CostRange) -> CostByProject:
        """Totals by project."""
        return await self._database.cost_by_project(identity.workspace_id, *wanted.resolve(now()))

    async def by_tag(self, identity: Identity, wanted: CostRange, key: str) -> CostByTag:
        """Totals by the values of a tag."""
        return await self._database.cost_by_tag(identity.workspace_id, *wanted.resolve(now()), key)

    async def tag_keys(self, identity: Identity) -> TagKeys:
        """By which tags costs can be split."""
        return await self._database.cost_tag_keys(identity.workspace_id, _MOST_TAG_KEYS)

    async def timeseries(self, identity: Identity, wanted: CostRange, step: Step, series: SeriesFilter) -> Timeseries:
        """Totals over time. Raises Invalid for more hours than are answered, and a split by tag that cannot be had."""
        if (series.by == "tag") != (series.key is not None):
            raise Invalid("key is needed for a split by tag, and only for that", loc=("query", "key"))
        if series.by == "tag" and (series.project or series.provider or series.model):
            raise Invalid("A split by tag is of all calls: leave project, provider and model out", loc=("query", "by"))
        start, end = wanted.resolve(now())
        if step == "hour" and end - start > _LONGEST_HOURLY_RANGE:
            raise Invalid("An hourly series covers at most 31 days; ask for fewer, or by day", loc=("query", "bucket"))
        return await self._database.cost_timeseries(identity.workspace_id, start, end, wanted.tz, step, series)


def _key_of(project: str, known: Known) -> str:
    """The key of the project of that name or id. Raises Invalid for one that is not there."""
    key = known.project(project)
    if key is None:
        why = "no project has this id" if is_uuid(project) else "this API key may not create projects"
        raise Invalid(f"There is no project {project!r}: {why}", loc=("body", "project"))
    return key


def _violations(model: str, usage: Usage, known: Known) -> Sequence[Violation]:
    return [breach.reason for breach in known.policy.breaches(model, usage.total_tokens)]


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
    said = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
