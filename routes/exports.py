"""Exports of events and costs, streamed as files."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from routes.call import Call
from routes.deps import FilteredEvents, Range
from routes.downloads import download
from routes.router import Router
from routes.schema import problems
from utils.tables import MEDIA_TYPES, Format

exports = Router("/api/export", "exports")
As = Annotated[Format, Query(description="jsonl has one JSON object per line")]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}, "description": "The file"},
    **problems(501),
}


@exports.get("/events", response_class=StreamingResponse, responses=_FILE, summary="Export events, newest first")
async def events(call: Call, wanted: FilteredEvents, format: As = "csv") -> StreamingResponse:
    pieces = call.engines.exports.events(call.caller, wanted, format)
    return await download(pieces, f"llmlab-events.{format}", MEDIA_TYPES[format])


@exports.get(
    "/costs",
    response_class=StreamingResponse,
    responses=_FILE,
    summary="Export costs by day, project and model, oldest first",
)
async def costs(call: Call, wanted: Range, format: As = "csv") -> StreamingResponse:
    pieces = call.engines.exports.costs(call.caller, wanted, format)
    return await download(pieces, f"llmlab-costs.{format}", MEDIA_TYPES[format])


@exports.get(
    "/focus",
    response_class=StreamingResponse,
    responses=_FILE,
    summary="Export costs in the format of FOCUS 1.4 (FinOps Open Cost and Usage Specification)",
)
async def focus(call: Call, wanted: Range, format: As = "csv") -> StreamingResponse:
    pieces = call.engines.exports.focus(call.caller, wanted, format)
    return await download(pieces, f"llmlab-focus-1.4.{format}", MEDIA_TYPES[format])
