"""How others report model calls: OpenTelemetry spans and LiteLLM records. No network, no database, no clock."""

from providers.formats.calls import Counts, ReportedCall, error_fields, response_fields
from providers.formats.litellm import MODEL_GROUP, litellm_event
from providers.formats.otlp import Span, read_spans
from providers.formats.spans import (
    ERROR_TYPE,
    PROJECT,
    TAG,
    UnreadCall,
    parse_call,
    unread_call,
    wanted,
    without_texts,
)

__all__ = [
    "ERROR_TYPE",
    "MODEL_GROUP",
    "PROJECT",
    "TAG",
    "Counts",
    "ReportedCall",
    "Span",
    "UnreadCall",
    "error_fields",
    "litellm_event",
    "parse_call",
    "read_spans",
    "response_fields",
    "unread_call",
    "wanted",
    "without_texts",
]
