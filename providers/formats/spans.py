"""Model calls in the attributes of OpenTelemetry spans, by four conventions.

Each has a module, which tells whether its count of the prompt includes the cached part. A cached part that is larger
than the input it should be a part of shows that the input leaves it out.
"""

from providers.formats import genai, langfuse, openinference, vercel
from providers.formats.calls import ReportedCall, vendor_response_id
from providers.formats.otlp import Span

PROJECT = "llmlab.project"
TAG = "llmlab.tag."
ERROR_TYPE = "error.type"
_RESOURCE = frozenset(
    {"service.name", "service.namespace", "deployment.environment.name", "deployment.environment", PROJECT}
)
_WANTED = genai.WANTED | openinference.WANTED | vercel.WANTED | langfuse.WANTED | _RESOURCE | {ERROR_TYPE}
# Parts of the names of attributes that a call has in every convention.
_MODEL_NAME, _COUNT_NAME = "model", "token"
_MOST_NAMES = 16
_LONGEST_NAME = 128


def wanted(key: str) -> bool:
    """Whether attributes of this name are read. Prompts and answers are in other ones."""
    return key in _WANTED or key.startswith(TAG)


def parse_call(span: Span) -> ReportedCall | None:
    """The model call of a span; None for another span, and for one that only sums up the calls within it."""
    call = _read(span)
    return None if call is None else call._replace(response_id=vendor_response_id(call.response_id))


def _read(span: Span) -> ReportedCall | None:
    if vercel.OPERATION_ID in span.attributes:
        return vercel.vercel_call(span.attributes)
    if openinference.KIND in span.attributes:
        return openinference.openinference_call(span.attributes)
    if langfuse.TYPE in span.attributes:
        return langfuse.langfuse_call(span.attributes) or genai.genai_call(span)
    return genai.genai_call(span)
