"""OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/): traces in protobuf and JSON, and the answers to them.

A body is read span by span, so that whoever reads a large one can let others have their turn in between.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from utils import json
from utils.errors import BadRequest, PayloadTooLarge
from utils.json import JsonReader

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACES_PATH = "/v1/traces"
MOST_SPANS = 10_000
MAX_BYTES = 16 * 1024 * 1024
# JSON is slower to read, and what one value of it holds is read without a pause.
MAX_JSON_BYTES = 4 * 1024 * 1024

# More steps than a request of so many spans takes, and an end for those that hold millions of nothings.
_MOST_STEPS = 50 * MOST_SPANS
# Of a larger span only the parts that somebody wants are read.
_LARGE = 64 * 1024
_ATTRIBUTES, _EVENTS, _LINKS = 9, 11, 13
_PIECE = 256 * 1024
_FAILED = 2
_LENGTH_DELIMITED = 2
_NO_ID = frozenset({"", "0" * 16, "0" * 32})
# The attribute that says of an exception, which is an event of its span, what it is.
_EXCEPTION_TYPE = "exception.type"

Keep = Callable[[str], bool]


class Span(NamedTuple):
    """One span: ids in hex, times in nanoseconds since 1970, and those of its attributes that somebody wants.

    `exception` is the type of the last exception it recorded. `resource` holds attributes of what sent it.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    failed: bool
    exception: str | None
    scope: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def identified(self) -> bool:
        """Whether it has the ids a span must have."""
        return self.trace_id not in _NO_ID and self.span_id not in _NO_ID


def media_type_of(content_type: str) -> str:
    """The media type of a Content-Type header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def inflated(body: bytes, media_type: str) -> Iterator[bytes]:
    """The pieces of a body that was compressed with gzip.

    Raises BadRequest for what is not gzip, PayloadTooLarge for more than 16 MiB of it, or 4 MiB of JSON.
    """
    most = MAX_BYTES if media_type == PROTOBUF else MAX_JSON_BYTES
    total = 0
    while body:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                piece = member.decompress(body, _PIECE)
            except zlib.error:
                raise BadRequest("The body is not gzip, as Content-Encoding says") from None
            if not piece and not member.eof:
                raise BadRequest("The body is cut short")
            body = member.unconsumed_tail
            total += len(piece)
            if total > most:
                raise PayloadTooLarge(f"The request body is larger than {most // 1024 // 1024} MiB when decompressed")
            yield piece
        body = member.unused_data


def read_spans(body: bytes, media_type: str, keep: Keep) -> Iterator[Span | None]:
    """The spans of an ExportTraceServiceRequest; None where a pause is possible.

    Raises BadRequest for what cannot be read, PayloadTooLarge for more than 10,000 spans or a value that holds
    more than 20,000 others.
    """
    found = steps = 0
    try:
        for span in _protobuf(memoryview(body), keep) if media_type == PROTOBUF else _json(body, keep):
            found += span is not None
            steps += 1
            if found > MOST_SPANS or steps > _MOST_STEPS:
                raise PayloadTooLarge(f"The request has more than {MOST_SPANS} spans")
            yield span
    except (DecodeError, IndexError):
        raise BadRequest("The body is not an ExportTraceServiceRequest in protobuf") from None
    except json.TooManyValues as error:
        raise PayloadTooLarge(f"The request has a value that is too large: {error.msg}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadRequest("The body is not an ExportTraceServiceRequest in JSON") from None


def traces_answer(media_type: str, rejected: int, message: str) -> bytes:
    """An ExportTraceServiceResponse that says how many spans were rejected, if any, and why."""
    if media_type == PROTOBUF:
        answer = ExportTraceServiceResponse()
        if rejected:
            answer.partial_success.rejected_spans = rejected
            answer.partial_success.error_message = message
        written: bytes = answer.SerializeToString()
        return written
    partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}}
    return json.dumps(partial if rejected else {})


def status_answer(media_type: str, message: str) -> bytes:
    """A google.rpc.Status with a message, which is what failures carry."""
    if media_type == JSON:
        return json.dumps({"message": message})
    text = message.encode()
    length = len(text)
    size = bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return b"\x12" + bytes(size) + text


# Protobuf: the containers are walked by hand, since the library reads a message as a whole or not at all.


def _protobuf(body: memoryview, keep: Keep) -> Iterator[Span | None]:
    for number, resource_spans, _ in _fields(body):
        yield None
        if number != 1:
            continue
        resource: dict[str, Any] = {}
        for number, part, _ in _fields(resource_spans):
            yield None
            if number == 1 and len(part) <= _LARGE:
                resource |= _kept(Resource.FromString(bytes(part)).attributes, keep)
        for number, scope_spans, _ in _fields(resource_spans):
            yield None
            if number == 2:
                yield from _spans_of_scope(scope_spans, resource, keep)


def _spans_of_scope(scope_spans: memoryview, resource: Mapping[str, Any], keep: Keep) -> Iterator[Span | None]:
    scope = ""
    for number, part, _ in _fields(scope_spans):
        yield None
        if number == 1 and len(part) <= _LARGE:
            scope = InstrumentationScope.FromString(bytes(part)).name
    for number, part, _ in _fields(scope_spans):
        yield None
        if number == 2:
            span = bytes(part)
            if len(part) > _LARGE:
                parts: list[bytes] = []
                for raw in _wanted_parts(part, keep):
                    parts.append(raw)
                    yield None
                span = b"".join(parts)
            yield _of_message(SpanMessage.FromString(span), scope, resource, keep)


def _wanted_parts(span: memoryview, keep: Keep) -> Iterator[bytes]:
    """The fields of a span, without attributes that nobody wants, without links and whatever else is large."""
    for number, part, raw in _fields(span):
        wanted = number not in (_EVENTS, _LINKS) or (number == _EVENTS and len(part) <= _LARGE)
        if number == _ATTRIBUTES:
            key = next((bytes(value) for field, value, _ in _fields(part) if field == 1), b"")
            wanted = keep(key.decode(errors="replace"))
        yield bytes(raw) if wanted and len(part) <= _LARGE else b""


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """The fields of a message: number, value where that has a length, and the whole field.

    Raises DecodeError, or IndexError where it ends too early.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        kind = tag & 7
        length = 0
        if kind == _LENGTH_DELIMITED:
            length, at = _varint(message, at)
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise DecodeError("no wire type")
        if at + length > len(message):
            raise DecodeError("cut short")
        yield tag >> 3, message[at : at + length], message[start : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise DecodeError("no varint")


def _of_message(span: SpanMessage, scope: str, resource: Mapping[str, Any], keep: Keep) -> Span:
    exceptions = [
        attribute.value.string_value
        for event in span.events
        for attribute in event.attributes
        if attribute.key == _EXCEPTION_TYPE
    ]
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        failed=span.status.code == _FAILED,
        exception=exceptions[-1] if exceptions else None,
        scope=scope,
        attributes=_kept(span.attributes, keep),
        resource=resource,
    )


def _kept(attributes: Iterator[KeyValue] | Any, keep: Keep) -> dict[str, Any]:
    kept = {}
    for attribute in attributes:
        if keep(attribute.key) and (value := _scalar(attribute.value)) is not None:
            kept[attribute.key] = value
    return kept


def _scalar(value: AnyValue) -> str | int | float | bool | None:
    which = value.WhichOneof("value")
    if which in ("string_value", "int_value", "double_value", "bool_value"):
        scalar: str | int | float | bool = getattr(value, which)
        return scalar
    return None


# JSON: fields may come in any order, ids are hex, 64-bit numbers may be strings, and null is as good as nothing.


def _json(body: bytes, keep: Keep) -> Iterator[Span | None]:
    reader = JsonReader(body)
    for name in reader.members():
        yield None
        if name != "resourceSpans":
            reader.value()
            continue
        for _ in reader.elements():
            yield None
            spans: list[Span] = []
            resource: dict[str, Any] = {}
            for name in reader.members():
                if name == "resource":
                    resource |= _kept_json((reader.value() or {}).get("attributes"), keep)
                elif name != "scopeSpans":
                    reader.value()
                else:
                    for _ in reader.elements():
                        yield from _read_scope(reader, spans, resource, keep)
            yield from spans
    if not reader.at_end:
        raise ValueError("more than one value")


def _read_scope(reader: JsonReader, spans: list[Span], resource: Mapping[str, Any], keep: Keep) -> Iterator[None]:
    """Adds the spans of a scope; yields where a pause is possible."""
    scope = ""
    first = len(spans)
    for name in reader.members():
        if name == "scope":
            scope = str((reader.value() or {}).get("name") or "")
        elif name != "spans":
            reader.value()
        else:
            for _ in reader.elements():
                told: dict[str, Any] = {}
                attributes: dict[str, Any] = {}
                for name in reader.members():
                    if name != "attributes":
                        told[name] = reader.value()
                        continue
                    for _ in reader.elements():
                        attributes |= _kept_json([reader.value()], keep)
                        yield None
                spans.append(_of_json(told, attributes, resource))
                if len(spans) > MOST_SPANS:
                    raise PayloadTooLarge(f"The request has more than {MOST_SPANS} spans")
                yield None
    spans[first:] = [span._replace(scope=scope) for span in spans[first:]]


def _of_json(span: Mapping[str, Any], attributes: Mapping[str, Any], resource: Mapping[str, Any]) -> Span:
    exceptions = [
        value
        for event in span.get("events") or ()
        for value in _kept_json(event.get("attributes"), _EXCEPTION_TYPE.__eq__).values()
    ]
    return Span(
        trace_id=str(span.get("traceId") or "").lower(),
        span_id=str(span.get("spanId") or "").lower(),
        parent_id=str(span.get("parentSpanId") or "").lower(),
        name=str(span.get("name") or ""),
        start=int(span.get("startTimeUnixNano") or 0),
        end=int(span.get("endTimeUnixNano") or 0),
        failed=(span.get("status") or {}).get("code") == _FAILED,
        exception=str(exceptions[-1]) if exceptions else None,
        scope="",
        attributes=attributes,
        resource=resource,
    )


def _kept_json(attributes: Any, keep: Keep) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for attribute in attributes or ():
        key = attribute.get("key")
        if isinstance(key, str) and keep(key):
            for kind, value in (attribute.get("value") or {}).items():
                if kind == "intValue":
                    kept[key] = int(value)
                elif kind in ("stringValue", "doubleValue", "boolValue") and value is not None:
                    kept[key] = value
    return kept
