"""Model calls: track them, list them, look at one."""

from typing import Annotated

from fastapi import Path, Response

from models import Name
from routes.deps import Cursor, Wanted
from routes.exact import IDEMPOTENT, Call, json_response, needs, problems, router
from schemas.events import BatchResult, Event, EventBatch, EventDetail, EventPage, Tracked

events = router("/api/events", "events")


@events.post(
    "/track",
    status_code=201,
    response_model=Tracked,
    openapi_extra=IDEMPOTENT,
    summary="Track one model call",
    responses={200: {"model": Tracked, "description": "The event had been sent before; this is what was stored"}},
)
@needs("events:write")
async def track(call: Call, event: Event) -> Response:
    tracked, new = await call.events.track(call.caller, event, call.idempotency_key)
    return json_response(tracked, 201 if new else 200)


@events.post("/batch", openapi_extra=IDEMPOTENT, summary="Track up to 1,000 calls; the good ones are kept")
@needs("events:write")
async def batch(call: Call, batch: EventBatch) -> BatchResult:
    return await call.events.track_batch(call.caller, batch, call.idempotency_key)


@events.get("", summary="List calls, newest first")
async def listing(call: Call, wanted: Wanted, cursor: Cursor = None) -> EventPage:
    return await call.events.events(call.caller, wanted, cursor)


@events.get("/{event_id}", responses=problems(404), summary="One call with its rates and the source of its price")
async def one(call: Call, event_id: Annotated[Name, Path(description="Ours or yours")]) -> EventDetail:
    return await call.events.event(call.caller, event_id)
