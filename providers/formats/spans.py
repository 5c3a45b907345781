"""Model calls in the attributes of OpenTelemetry spans, by four conventions.

Each has a module, which tells whether its count of the prompt includes the cached part. A cached part that is larger
than the input it should be a part of shows that the input leaves it out.
"""

import re
from decimal import Decimal
from typing import NamedTuple

from providers.formats import genai, langfuse, openinference, vercel
from providers.formats.calls import ReportedCall, count, vendor_response_id
from providers.formats.otlp import Span

PROJECT = "llmlab.project"
TAG = "llmlab.tag."
ERROR_TYPE = "error.type"
_RESOURCE = frozenset(
    {"service.name", "service.namespace", "deployment.environment.name", "deployment.environment", PROJECT}
)
_WANTED = genai.WANTED | openinference.WANTED | vercel.WANTED | langfuse.WANTED | _RESOURCE | {ERROR_TYPE}
# Parts of the names of attributes that a call has in every convention, such as `model_name` and `inputTokens`.
_MODEL_NAMES, _COUNT_NAMES = ("model", "Model"), ("token", "Token")
# Numbers of tokens that limit a request or measure its speed or price.
_NO_COUNT = re.compile(r"max|limit|budget|time|per_|per(?:second|minute|token|request)|price|cost")
# Counts that are texts: of digits, or JSON with numbers.
_COUNTS_NAME = re.compile(r"tokens|token.?(?:count|usage)")
_COUNTS_TEXT = re.compile(r"\d{1,9}|\{[^{}]{0,512}:\s*[1-9][^{}]{0,512}\}")
# Attributes that say what a span is.
_KNOWN = frozenset({genai.OPERATION, genai.TRACELOOP_KIND, openinference.KIND, vercel.OPERATION_ID, langfuse.TYPE})
_MOST_NAMES = 16
_MOST_SHOWN = 32
_LONGEST_NAME = 128
_LONGEST_VALUE = 128
# Attributes with the name of a model or a provider, and texts that can be such a name.
_NAMING = re.compile(r"(?:model|provider)(?:[._-]?(?:name|id|provider))?$|^(?:gen_ai|llm)\.system$", re.IGNORECASE)
_A_NAME = re.compile(r"[\w.:/@+-]+")


def wanted(key: str) -> bool:
    """Whether attributes of this name are read. Prompts and answers are in other ones."""
    return key in _WANTED or key.startswith(TAG) or _is_named(key, _COUNT_NAMES) or _is_named(key, _MODEL_NAMES)


def parse_call(span: Span) -> ReportedCall | None:
    """The model call of a span; None for another span, and for one that only sums up the calls within it."""
    call = _read(span)
    if call is None:
        return None
    own_id = vendor_response_id(call.response_id)
    return call if own_id == call.response_id else call._replace(response_id=own_id)


def _read(span: Span) -> ReportedCall | None:
    if vercel.OPERATION_ID in span.attributes:
        return vercel.vercel_call(span.attributes)
    if openinference.KIND in span.attributes:
        return openinference.openinference_call(span.attributes)
    if langfuse.TYPE in span.attributes:
        return langfuse.langfuse_call(span.attributes) or genai.genai_call(span)
    return genai.genai_call(span)


class UnreadCall(NamedTuple):
    """A span that looks like a model call, of a convention that is not known: its scope and names of its attributes."""

    scope: str
    names: tuple[str, ...]


def unread_call(span: Span) -> UnreadCall | None:
    """What a span has that `parse_call` did not understand although it has a model and a count of tokens.

    Of spans of known conventions, only those that say they are calls but do not name a model. It is meant for spans in
    which `parse_call` finds no call.
    """
    attributes = span.attributes
    # A model and a count. Most spans have neither, and this is faster.
    if len(attributes) < 2:
        return None
    models = [
        name for name, value in attributes.items() if _is_named(name, _MODEL_NAMES) and isinstance(value, str) and value
    ]
    if not _KNOWN.isdisjoint(attributes):
        if models or not any(convention.is_call(attributes) for convention in (genai, openinference, vercel)):
            return None
    elif not models:
        return None
    counts = [name for name, value in attributes.items() if _is_count(name, value)]
    if not counts:
        return None
    names = sorted(_shown(name) for name in (*models, *counts))
    return UnreadCall(_shown(span.scope), tuple(names[:_MOST_NAMES]))


def without_texts(span: Span) -> dict[str, str | None]:
    """The first 32 attributes of a span by name: numbers and names of models and providers; None for other texts."""
    return {_shown(name): _without_text(name, span.attributes[name]) for name in sorted(span.attributes)[:_MOST_SHOWN]}


def _without_text(name: str, value: object) -> str | None:
    if isinstance(value, str):
        known = len(value) <= _LONGEST_VALUE and _NAMING.search(name) and _A_NAME.fullmatch(value)
        return value if known else None
    # JSON may have other values in the place of a number.
    shown = str(value) if isinstance(value, bool | int | float | Decimal) else None
    return shown if shown is not None and len(shown) <= _LONGEST_VALUE else None


def _is_named(name: str, parts: tuple[str, str]) -> bool:
    return parts[0] in name or parts[1] in name


def _is_count(name: str, value: object) -> bool:
    lower = name.lower()
    if "token" not in lower or _NO_COUNT.search(lower):
        return False
    if isinstance(value, str):
        return _COUNTS_NAME.search(lower) is not None and _COUNTS_TEXT.fullmatch(value) is not None
    return count(value) > 0


def _shown(name: str) -> str:
    """A name as it can be stored and shown."""
    name = name[:_LONGEST_NAME]
    return name if name.isprintable() else "".join(each if each.isprintable() else " " for each in name)
