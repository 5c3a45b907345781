"""OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/): media types, compression and answers of traces."""

import zlib
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from utils import json
from utils.errors import BadRequest, PayloadTooLarge

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACES_PATH = "/v1/traces"
MAX_BYTES = 16 * 1024 * 1024
# Limit for JSON, which is slower to read; each of its values is read without a pause.
MAX_JSON_BYTES = 4 * 1024 * 1024
_PIECE = 256 * 1024


def media_type_of(content_type: str) -> str:
    """The media type of a Content-Type header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def inflated(body: bytes, media_type: str) -> Iterator[bytes]:
    """The pieces of a body that was compressed with gzip.

    Raises BadRequest for a body that is not gzip, PayloadTooLarge for more than 16 MiB, or 4 MiB of JSON.
    """
    most = MAX_BYTES if media_type == PROTOBUF else MAX_JSON_BYTES
    total = 0
    while body:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                piece = member.decompress(body, _PIECE)
            except zlib.error:
                raise BadRequest("The body is not valid gzip") from None
            if not piece and not member.eof:
                raise BadRequest("The body is truncated")
            body = member.unconsumed_tail
            total += len(piece)
            if total > most:
                raise PayloadTooLarge(f"The request body is larger than {most // 1024 // 1024} MiB when decompressed")
            yield piece
        body = member.unused_data


def traces_answer(media_type: str, rejected: int, message: str) -> bytes:
    """An ExportTraceServiceResponse with the number of rejected spans, if any, and the reason."""
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
    """A google.rpc.Status with a message, the body of a failure."""
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
