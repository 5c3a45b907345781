"""Model calls: track them, list them, look at one."""

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
    body_limit=MAX_BODY_BYTES,
    route_class=FastRoute,
    status_code=201,
    response_model=Tracked,
    openapi_extra=IDEMPOTENT,
    summary="Track one model call",
    responses={200: {"model": Tracked, "description": "The event had been sent before; this is what was stored"}},
)
async def track(call: Call, event: Event) -> Response:
    tracked, new = await call.engines.events.track(call.caller, event, call.idempotency_key)
    return json_response(tracked, 201 if new else 200)


@events.post(
    "/batch",
    needs="events:write",
    body_limit=MAX_BODY_BYTES,
    route_class=FastRoute,
    openapi_extra=IDEMPOTENT,
    summary="Track up to 1,000 calls; the good ones are kept",
)
async def batch(call: Call, batch: EventBatch) -> BatchResult:
    return await call.engines.events.track_batch(call.caller, batch, call.idempotency_key)


@events.get("", summary="List calls, newest first")
async def listing(call: Call, wanted: Wanted, cursor: Cursor = None) -> EventPage:
    return await call.engines.events.events(call.caller, wanted, cursor)


@events.get("/{event_id}", responses=problems(404), summary="One call with its rates and the source of its price")
async def one(call: Call, event_id: Annotated[Name, Path(description="Ours or yours")]) -> EventDetail:
    return await call.engines.events.event(call.caller, event_id)
