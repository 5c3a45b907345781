"""The pricing engine: what callers report becomes events with their cost, ready to be recorded."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from database import Database
from engines.calls import is_known, merged, report_of, same_price
from engines.changes import Changes
from engines.terms import EARLIEST, TermsEngine, WorkspaceTerms
from models import Violation
from providers import PriceBook
from schemas.events import Correction, Event, EventBatch, NewEvent, Rejection, StoredEvent
from schemas.identities import Identity
from schemas.llm import ObservedCall
from schemas.usage import Price, Usage
from utils.errors import Conflict, Invalid
from utils.ids import event_uuid, is_uuid, uuid7
from utils.time import now

_MOST_AHEAD = timedelta(days=1)
# Events of a batch that are priced before other requests get their turn.
_EVENTS_IN_A_ROW = 25


class PricingEngine:
    """Prices calls by the terms of their workspace, and creates the projects that they name."""

    def __init__(self, database: Database, prices: PriceBook, terms: TermsEngine, changes: Changes) -> None:
        self._database = database
        self._prices = prices
        self._terms = terms
        self._changes = changes

    async def price(self, identity: Identity, event: Event) -> NewEvent:
        """One event with its cost. Raises Invalid."""
        terms = await self._terms.get(identity.workspace_id)
        priced = self._price(identity, event, now(), terms)
        if event.project is not None and not priced.project:
            terms = await self._with_projects(identity, terms, [event.project])
            priced = priced._replace(project=_key_of(event.project, terms))
        return priced

    async def price_batch(
        self, identity: Identity, batch: EventBatch, idempotency_key: str | None = None
    ) -> tuple[list[NewEvent], list[Rejection]]:
        """The valid events of a batch with their cost, in its order, and the faults of the others."""
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
                if event.id is None and event.response_id is None and idempotency_key is not None:
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

    async def completed(self, identity: Identity, reports: Sequence[NewEvent]) -> NewEvent:
        """The call of several reports, with the time of the first. Its id is the provider's if any report has one."""
        if len(reports) == 1:
            return reports[0]
        terms = await self._terms.get(identity.workspace_id)
        call = reports[0]
        for report in reports[1:]:
            call = merged(call, report, self._prices, terms)
        named = next((report for report in reports if report.is_response), reports[0])
        return self._priced_again(call._replace(id=named.id, is_response=named.is_response), reports[0], terms)

    async def correction(
        self, identity: Identity, stored: StoredEvent, reports: Sequence[NewEvent], *, replace: bool
    ) -> Correction | None:
        """The correction of a stored event by further reports of its call; None if it has all that they tell.

        With `replace`, what is stored is not kept.
        """
        terms = await self._terms.get(identity.workspace_id)
        before = report_of(stored, self._prices, terms)
        call, *others = reports if replace else (before, *reports)
        for report in others:
            call = merged(call, report, self._prices, terms)
        call = call._replace(id=before.id, timestamp=before.timestamp)
        if is_known(before, call):
            return None
        return Correction(self._priced_again(call, before, terms), stored.corrected_at)

    def event_of(self, call: ObservedCall) -> Event:
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

    def _priced_again(self, call: NewEvent, before: NewEvent, terms: WorkspaceTerms) -> NewEvent:
        """A call with the price of what it is by now; that of `before` if nothing has changed."""
        violations = _violations(call.provider, call.model, call.usage, terms) if terms.policy else ()
        price = before.price if same_price(call, before) else self._cost(call, terms)
        return call._replace(price=price, policy_violations=violations)

    def _cost(self, call: NewEvent, terms: WorkspaceTerms) -> Price:
        price = self._prices.price(call.provider, call.model, call.usage, call.timestamp, call.cost, terms.prices)
        if price.cost is None and call.fallback_cost is not None:
            return self._prices.price(call.provider, call.model, call.usage, call.timestamp, call.fallback_cost)
        return price

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
        provider, model = self._prices.names(event.provider, model)
        usage = usage or event.usage()
        own_id = event.response_id or event.id
        price = self._prices.price(provider, model, usage, timestamp, event.cost, terms.prices)
        if price.cost is None and event.fallback_cost is not None:
            price = self._prices.price(provider, model, usage, timestamp, event.fallback_cost)
        return NewEvent(
            id=uuid7(timestamp) if own_id is None else event_uuid(own_id),
            user_id=identity.user_id,
            timestamp=timestamp,
            provider=provider,
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
            unchecked=event.unchecked,
            policy_violations=_violations(provider, model, usage, terms, event.model) if terms.policy else (),
            cost=event.cost,
            fallback_cost=event.fallback_cost,
            is_response=event.response_id is not None,
        )


def _key_of(project: str, terms: WorkspaceTerms) -> str:
    """The key of the project of that name or id. Raises Invalid for one that does not exist."""
    key = terms.project(project)
    if key is None:
        hint = "" if is_uuid(project) else ", and this API key may not create projects"
        raise Invalid(f"The project {project!r} does not exist{hint}", loc=("body", "project"))
    return key


def _violations(
    provider: str, model: str, usage: Usage, terms: WorkspaceTerms, requested: str | None = None
) -> Sequence[Violation]:
    breaches = terms.policy.breaches(provider, model, usage.total_tokens, requested)
    return [breach.reason for breach in breaches]


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
