"""Events: recording and reading model calls."""

from typing import Annotated

from fastapi import Path, Response

from models import Name
from routes.call import Call
from routes.deps import Cursor, Wanted
from routes.exact import json_response
from routes.fast import MAX_BODY_BYTES, FastRoute
from routes.router import Router
from routes.schema import IDEMPOTENT, problems
from schemas.events import BatchResult, Event, EventBatch, EventDetail, EventPage, Tracked

events = Router("/api/events", "events")


@events.post(
    "/track",
    needs="events:write",
    limit="ingest",
    body_limit=MAX_BODY_BYTES,
    route_class=FastRoute,
    status_code=201,
    response_model=Tracked,
    openapi_extra=IDEMPOTENT,
    summary="Record an event",
    responses={200: {"model": Tracked, "description": "The event was already recorded; this is the stored event"}},
)
async def track(call: Call, event: Event) -> Response:
    tracked, new = await call.engines.events.track(call.caller, event, call.idempotency_key)
    return json_response(tracked, 201 if new else 200)


@events.post(
    "/batch",
    needs="events:write",
    limit="ingest",
    body_limit=MAX_BODY_BYTES,
    route_class=FastRoute,
    openapi_extra=IDEMPOTENT,
    summary="Record up to 1,000 events; valid events are recorded",
)
async def batch(call: Call, batch: EventBatch) -> BatchResult:
    return await call.engines.events.track_batch(call.caller, batch, call.idempotency_key)


@events.get("", summary="List events, newest first")
async def listing(call: Call, wanted: Wanted, cursor: Cursor = None) -> EventPage:
    return await call.engines.events.events(call.caller, wanted, cursor)


@events.get("/{event_id}", responses=problems(404), summary="Get an event with its rates and the source of its price")
async def one(
    call: Call, event_id: Annotated[Name, Path(description="The event's id, LLMLab's or yours")]
) -> EventDetail:
    return await call.engines.events.event(call.caller, event_id)
