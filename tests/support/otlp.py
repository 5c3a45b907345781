"""Requests of OpenTelemetry's protocol, and its answers."""

from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PROTOBUF = "application/x-protobuf"
TRACE = "5b8efff798038103d269b633813fc60c"
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 2006,
    "gen_ai.usage.output_tokens": 300,
    "gen_ai.usage.cache_read.input_tokens": 1920,
}
# 86 tokens at 2.50 USD a million, 1,920 at 1.25 and 300 at 10.
CHAT_COST = 0.005615


def span(number: int, attributes: dict[str, Any], parent: int = 0, **changes: Any) -> dict[str, Any]:
    """A span of 840.5 ms in OTLP's JSON."""
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        **({"parentSpanId": f"{parent:016x}"} if parent else {}),
        "name": "a span",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000000840500000",
        "attributes": attributes_of(attributes),
        **changes,
    }


def attributes_of(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    def value(raw: Any) -> dict[str, Any]:
        if isinstance(raw, bool):
            return {"boolValue": raw}
        if isinstance(raw, int):
            return {"intValue": str(raw)}
        return {"stringValue": raw} if isinstance(raw, str) else {"doubleValue": raw}

    return [{"key": key, "value": value(raw)} for key, raw in attributes.items()]


def request_of(*spans: dict[str, Any], scope: str = "a scope", **resource: Any) -> dict[str, Any]:
    """An ExportTraceServiceRequest in JSON; dots in the resource's attributes are written as two underscores."""
    attributes = {key.replace("__", "."): value for key, value in resource.items()}
    scoped = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"scopeSpans": [scoped], "resource": {"attributes": attributes_of(attributes)}}]}


def in_protobuf(request: dict[str, Any]) -> bytes:
    """The same in protobuf."""

    def value(said: dict[str, Any]) -> AnyValue:
        ((kind, raw),) = said.items()
        if kind == "intValue":
            return AnyValue(int_value=int(raw))
        if kind == "boolValue":
            return AnyValue(bool_value=raw)
        return AnyValue(string_value=raw) if kind == "stringValue" else AnyValue(double_value=raw)

    def copy(attributes: list[dict[str, Any]]) -> list[KeyValue]:
        return [KeyValue(key=each["key"], value=value(each["value"])) for each in attributes]

    message = ExportTraceServiceRequest()
    for of_resource in request["resourceSpans"]:
        resource_spans = message.resource_spans.add()
        for scope_spans in of_resource["scopeSpans"]:
            scoped = resource_spans.scope_spans.add()
            scoped.scope.name = scope_spans["scope"]["name"]
            for each in scope_spans["spans"]:
                scoped.spans.add(
                    trace_id=bytes.fromhex(each["traceId"]),
                    span_id=bytes.fromhex(each["spanId"]),
                    parent_span_id=bytes.fromhex(each.get("parentSpanId", "")),
                    name=each["name"],
                    start_time_unix_nano=int(each["startTimeUnixNano"]),
                    end_time_unix_nano=int(each["endTimeUnixNano"]),
                    attributes=copy(each["attributes"]),
                    status=each.get("status", {}),
                )
        resource_spans.resource.attributes.extend(copy(of_resource["resource"]["attributes"]))
    return message.SerializeToString()


def message_of(response: httpx.Response) -> str:
    """The message of a google.rpc.Status, which is its second field."""
    if response.headers["content-type"] == "application/json":
        assert response.json().keys() == {"message"}
        return str(response.json()["message"])
    assert response.headers["content-type"] == PROTOBUF
    assert response.content[0] == 0x12
    length, size = (
        (response.content[1], 1)
        if response.content[1] < 0x80
        else (response.content[1] & 0x7F | response.content[2] << 7, 2)
    )
    assert len(response.content) == 1 + size + length == int(response.headers["content-length"])
    return response.content[1 + size :].decode()
