"""Live stream of changes."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic.json_schema import SkipJsonSchema
from starlette.types import Receive, Scope, Send

from engines.live import Watch
from routes.call import Call
from routes.router import Router
from schemas.live import LiveMessage, Version
from utils import json

live = Router("/api/stream", "live updates")

_DESCRIPTION = """A stream of server-sent events, which stays open. `hello` has the current `version`: load all \
data. `change` lists in `what` the kinds of data that have changed since: reload them. A comment is sent as a \
heartbeat at least every 15 seconds.

To resume a stream, send the last `id` that you received as `Last-Event-ID`.

For all members of the workspace, and for API keys with the scope `read`."""
_EXAMPLE = """event: hello
data: {"version":41,"changed_at":"2026-03-02T09:30:00Z","what":[]}
id: 41

event: change
data: {"version":42,"changed_at":"2026-03-02T09:30:07Z","what":["budgets","events"]}
id: 42

"""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": _EXAMPLE}}, "description": "Stream of events"}
}


class _Stream(EventSourceResponse):
    """Sends the messages of a watch, and closes the watch at the end."""

    def __init__(self, watch: Watch, limit: int | None) -> None:
        super().__init__(_written(watch.messages(limit)), headers={"X-Accel-Buffering": "no"})
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._watch.close()


@live.get(
    "",
    response_class=StreamingResponse,
    responses=_ANSWERS,
    description=_DESCRIPTION,
    summary="Stream changes as they happen",
)
async def stream(
    call: Call,
    limit: Annotated[
        int | None, Query(ge=1, le=1000, description="Number of events after which the stream ends")
    ] = None,
    last_event_id: Annotated[
        Version | SkipJsonSchema[None], Header(alias="Last-Event-ID", description="Id of the last received event")
    ] = None,
) -> StreamingResponse:
    return _Stream(await call.engines.live.watch(call.caller, call.token or "", last_event_id), limit)


async def _written(messages: AsyncIterator[LiveMessage | None]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield KEEPALIVE_COMMENT if message is None else _event(message)


def _event(message: LiveMessage) -> bytes:
    data = {"version": message.version, "changed_at": message.changed_at, "what": message.what}
    return format_sse_event(event=message.event, data_str=json.dumps(data).decode(), id=str(message.version))
