"""The spans of an OTLP request (https://opentelemetry.io/docs/specs/otlp/), in protobuf and JSON.

A body is read span by span, so that the reader of a large one can pause for other requests.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from utils import json
from utils.errors import BadRequest, PayloadTooLarge
from utils.json import JsonReader
from utils.otlp import PROTOBUF

MOST_SPANS = 10_000

# Most steps of a read: more than a valid request takes, and an end for one with millions of empty parts.
_MOST_STEPS = 50 * MOST_SPANS
# Size beyond which only the wanted parts of a span are read.
_LARGE = 64 * 1024
_ATTRIBUTES, _EVENTS, _LINKS = 9, 11, 13
_FAILED = 2
_LENGTH_DELIMITED = 2
_NO_ID = frozenset({"", "0" * 16, "0" * 32})
# Attribute with the type of an exception, which is an event of its span.
_EXCEPTION_TYPE = "exception.type"

Keep = Callable[[str], bool]


class Span(NamedTuple):
    """One span: ids in hex, times in nanoseconds since 1970, and the wanted ones of its attributes.

    `exception` is the type of the last exception it recorded. `resource` holds attributes of the sender.
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
        """Whether it has both ids."""
        return self.trace_id not in _NO_ID and self.span_id not in _NO_ID


def read_spans(body: bytes, media_type: str, keep: Keep) -> Iterator[Span | None]:
    """The spans of an ExportTraceServiceRequest; None where a pause is possible.

    Raises BadRequest for a body that cannot be read, PayloadTooLarge for more than 10,000 spans or a value that holds
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


# Protobuf: the containers are parsed here, since the library reads a message as a whole or not at all.


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
    """The fields of a span without unwanted attributes, links and other large parts."""
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


# JSON: fields may come in any order, ids are hex, 64-bit numbers may be strings, and null means absent.


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
                fields: dict[str, Any] = {}
                attributes: dict[str, Any] = {}
                for name in reader.members():
                    if name != "attributes":
                        fields[name] = reader.value()
                        continue
                    for _ in reader.elements():
                        attributes |= _kept_json([reader.value()], keep)
                        yield None
                spans.append(_of_json(fields, attributes, resource))
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
