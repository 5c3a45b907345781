"""Model calls: track them, list them, look at one."""

from typing import Annotated

from fastapi import Path, Response

from models import BatchResult, Event, EventBatch, EventDetail, EventPage, Name, Tracked
from routes.deps import Caller, Costs, Cursor, IdempotencyKey, Wanted, json_response, problems, router

events = router("/api/events", "events")


@events.post(
    "/track",
    status_code=201,
    response_model=Tracked,
    summary="Track one model call",
    responses={200: {"model": Tracked, "description": "The event had been sent before; this is what was stored"}},
)
async def track(caller: Caller, event: Event, costs: Costs, idempotency_key: IdempotencyKey = None) -> Response:
    tracked, new = await costs.track(caller, event, idempotency_key)
    return json_response(tracked, 201 if new else 200)


@events.post("/batch", summary="Track up to 1,000 calls; the good ones are kept")
async def batch(caller: Caller, batch: EventBatch, costs: Costs, idempotency_key: IdempotencyKey = None) -> BatchResult:
    return await costs.track_batch(caller, batch, idempotency_key)


@events.get("", summary="List calls, newest first")
async def listing(caller: Caller, costs: Costs, wanted: Wanted, cursor: Cursor = None) -> EventPage:
    return await costs.events(caller, wanted, cursor)


@events.get("/{event_id}", responses=problems(404), summary="One call with its rates and the source of its price")
async def one(
    caller: Caller, costs: Costs, event_id: Annotated[Name, Path(description="Ours or yours")]
) -> EventDetail:
    return await costs.event(caller, event_id)
