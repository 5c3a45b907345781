"""Ingestion from OpenTelemetry exporters and LiteLLM."""

from typing import Any

from fastapi import Response

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.events import BatchResult
from schemas.unread_spans import UnreadSpans
from utils.errors import PROBLEM_JSON
from utils.otlp import JSON, PROTOBUF, TRACES_PATH

ingest = Router("", "ingest")

_PROBLEM: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_STATUS: dict[str, Any] = {
    "schema": {
        "title": "Status",
        "type": "object",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
    }
}
_RESOURCE_SPANS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object"},
    "description": "As in opentelemetry/proto/trace/v1/trace.proto: each has its `resource` and `scopeSpans`",
}
_REQUEST: dict[str, Any] = {
    "title": "ExportTraceServiceRequest",
    "type": "object",
    "properties": {"resourceSpans": _RESOURCE_SPANS},
    "examples": [
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "search"}}]},
                    "scopeSpans": [
                        {
                            "spans": [
                                {
                                    "traceId": "5b8efff798038103d269b633813fc60c",
                                    "spanId": "eee19b7ec3c1b174",
                                    "name": "chat gpt-4o-mini",
                                    "startTimeUnixNano": "1790000000000000000",
                                    "endTimeUnixNano": "1790000000840500000",
                                    "attributes": [
                                        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                                        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
                                        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
                                        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1200"}},
                                        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "300"}},
                                    ],
                                }
                            ]
                        }
                    ],
                }
            ]
        }
    ],
}
_PARTIAL_SUCCESS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rejectedSpans": {"type": "string", "description": "Number of model calls that were not recorded"},
        "errorMessage": {"type": "string", "description": "Reasons"},
    },
}
_ANSWER: dict[str, Any] = {
    "title": "ExportTraceServiceResponse",
    "type": "object",
    "properties": {"partialSuccess": _PARTIAL_SUCCESS},
}
_TRACES = (
    "A span is a model call if it has the attributes of the GenAI semantic conventions, OpenInference, "
    "OpenLLMetry, the Vercel AI SDK or Langfuse. Other spans are accepted and ignored, as are spans that only "
    "sum up the calls within them. Prompts and answers in attributes are neither stored nor logged. "
    "Requests can be repeated safely. Langfuse's exporter may send to /api/public/otel/v1/traces, with an API key as "
    "its secret key."
)


def _failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses in the encodings of OTLP, and as problem details for requests in neither of them."""
    return {
        status: {
            "description": said["description"],
            "content": {JSON: _STATUS, PROTOBUF: _BYTES, PROBLEM_JSON: _PROBLEM},
        }
        for status, said in problems(*statuses).items()
    }


@ingest.post(
    TRACES_PATH,
    needs="events:write",
    limit="ingest",
    body_limit=1024 * 1024,
    response_class=Response,
    summary="Ingest OpenTelemetry traces (OTLP over HTTP); spans of model calls become events",
    description=_TRACES,
    responses={
        200: {"description": "What was recorded", "content": {JSON: {"schema": _ANSWER}, PROTOBUF: _BYTES}},
        **_failures(400, 401, 403, 413, 415, 422, 429, 503),
    },
    openapi_extra={
        "parameters": [
            {
                "name": "Content-Encoding",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "enum": ["gzip", "identity"]},
                "description": "Compression of the body",
            }
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": _REQUEST}, PROTOBUF: _BYTES}},
    },
)
async def traces(call: Call) -> Response:
    answer, media_type = await call.engines.ingest.traces(
        call.caller, await call.body(), call.content_type, call.encoding
    )
    return Response(answer, media_type=media_type)


@ingest.post(
    "/api/ingest/litellm",
    needs="events:write",
    limit="ingest",
    # LiteLLM sends 512 records of 14 kB at once, and cannot compress them.
    body_limit=16 * 1024 * 1024,
    summary="Ingest records of LiteLLM's generic API callback; valid records become events",
    responses=problems(400, 413),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {
                        "title": "StandardLoggingPayloads",
                        "anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object"}],
                        "description": "A list of LiteLLM's StandardLoggingPayload, a single one, or one per line",
                        "examples": [
                            [
                                {
                                    "id": "chatcmpl-9f8c2a44d2f34f0a",
                                    "custom_llm_provider": "openai",
                                    "model": "gpt-4o-mini",
                                    "status": "success",
                                    "startTime": 1790000000.0,
                                    "endTime": 1790000000.84,
                                    "prompt_tokens": 1200,
                                    "completion_tokens": 300,
                                    "request_tags": ["team:discovery"],
                                }
                            ]
                        ],
                    }
                }
            },
        }
    },
)
async def litellm(call: Call) -> BatchResult:
    """Calls are priced as any others; LiteLLM's own cost is used where no price is known. Prompts and answers are
    neither stored nor logged. Requests can be repeated safely.
    """
    return await call.engines.ingest.litellm(call.caller, await call.body())


@ingest.get("/api/ingest/unread-spans", needs="read", summary="List spans that were not understood as model calls")
async def unread_spans(call: Call) -> UnreadSpans:
    """Spans that look like model calls, since they have a model and tokens in their attributes, but are of no supported
    convention. They are counted by scope and by the names of these attributes: up to 50 kinds, each with one example.
    """
    return await call.engines.unread_spans.unread_spans(call.caller)
