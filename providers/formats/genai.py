"""Calls by the GenAI semantic conventions, which OpenLLMetry, LiteLLM, Pydantic AI and others follow.

The input includes what was read from and written to the cache
(https://github.com/open-telemetry/semantic-conventions-genai, gen-ai-spans.md). Older names are `prompt_tokens` and
`completion_tokens`. OpenLLMetry's instrumentation of Bedrock leaves the cached part out
(https://github.com/traceloop/openllmetry/issues/4449), and so do OpenLIT's of Anthropic and, for Claude, OpenLLMetry's
of LlamaIndex, which copy the vendor's input.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from providers.formats.attributes import CountNames, CountReader, parsed, text
from providers.formats.calls import (
    Counts,
    ReportedCall,
    billed,
    mapping,
    usage_counts,
    whole,
    with_cached,
    with_parts,
)
from providers.formats.litellm import answering_model
from providers.formats.otlp import Span

_COUNTS = CountReader(
    CountNames(
        input=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
        output=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
        read=(
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.prompt_tokens_details.cached_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
        ),
        written=(
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.input_tokens.cache_write",
            "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
        ),
        written_5m=(
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
            "gen_ai.usage.details.ephemeral_5m_input_tokens",
        ),
        written_1h=(
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
            "gen_ai.usage.details.ephemeral_1h_input_tokens",
        ),
        reasoning=(
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.reasoning_output_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            "gen_ai.usage.completion_tokens_details.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            # Of Gemini and Claude in Pydantic AI.
            "gen_ai.usage.details.thoughts_tokens",
            "gen_ai.usage.details.thinking_tokens",
            "llm.usage.reasoning_tokens",
        ),
    )
)
# The usage of the vendor's answer, from Logfire.
_VENDOR_USAGE = "gen_ai.usage.raw"
OPERATION = "gen_ai.operation.name"
_OPERATION = (OPERATION, "llm.request.type")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_REQUESTED = "gen_ai.request.model"
_ANSWERING = "gen_ai.response.model"
_RESPONSE_ID = "gen_ai.response.id"
# The cost by LiteLLM, Pydantic AI and Logfire, and OpenLIT.
_COST = ("gen_ai.cost.total_cost", "operation.cost", "gen_ai.usage.cost")
TRACELOOP_KIND = "traceloop.span.kind"
_LOGFIRE_TYPE = "logfire.span_type"
# Operations that are calls.
_CALLS = frozenset({"chat", "completion", "text_completion", "generate_content", "embedding", "embeddings"})
# Names of operations that make no call themselves, but may report the tokens of those within them.
_NO_CALL = re.compile(r"agent|tool|workflow|task|step|plan|memory|retriev|guardrail|session|thread|evaluat")

_LLAMA_INDEX = "instrumentation.llamaindex"
# Scopes of instrumentation whose input lacks the cached part.
_LEAVES_CACHED_OUT = re.compile(
    r".*instrumentation\.bedrock|openlit\.instrumentation\.anthropic|opentelemetry\.instrumentation\.llamaindex"
)

_LITELLM_SCOPE = "litellm"
# The usage as a Python literal, with the cached part that the conventions' attributes lack there.
_LITELLM_USAGE = "metadata.usage_object"
_LITELLM_CACHE_HIT = "litellm.cache_hit"
_LITELLM_GROUP = "litellm.model_group"
_LITELLM_CALL_ID = "litellm.call_id"
# The parameters that LiteLLM keeps from the caller, as JSON. Before version 1.109 only they show a hit of its cache.
_LITELLM_HIDDEN = "hidden_params"
_LONGEST_LITERAL = 4096

WANTED = _COUNTS.names | {
    _VENDOR_USAGE, *_OPERATION, *_PROVIDER, _REQUESTED, _ANSWERING, _RESPONSE_ID, *_COST, TRACELOOP_KIND, _LOGFIRE_TYPE,
    _LITELLM_USAGE, _LITELLM_CACHE_HIT, _LITELLM_GROUP, _LITELLM_CALL_ID, _LITELLM_HIDDEN,
}  # fmt: skip


def genai_call(span: Span) -> ReportedCall | None:
    """The call of a span of these conventions; None for another operation."""
    attributes = span.attributes
    requested, answering = text(attributes, _REQUESTED), text(attributes, _ANSWERING)
    operation = text(attributes, *_OPERATION)
    model = answering or requested
    if model is None or (operation is not None and _NO_CALL.search(operation.lower())):
        return None
    counts = _counts(span)
    response_id = text(attributes, _RESPONSE_ID)
    # OpenLLMetry marks workflows and the like, but also some spans of calls.
    if TRACELOOP_KIND in attributes and (counts is None or response_id is None):
        return None
    if operation is None and counts is None:
        return None
    # Logfire reports the answer of a stream by a span of its own.
    if _LOGFIRE_TYPE in attributes and counts is None and response_id is None and not span.failed:
        return None
    free = _is_cached(span)
    group = None
    if span.scope == _LITELLM_SCOPE:
        model, group = answering_model(answering, requested, text(attributes, _LITELLM_GROUP))
    return ReportedCall(
        provider=text(attributes, *_PROVIDER) or "",
        model=model,
        # An answer from LiteLLM's cache has the id of the call that was paid for.
        response_id=None if free else response_id,
        counts=whole(counts),
        cost=next((cost for name in _COST if (cost := billed(attributes.get(name)))), None),
        free=free,
        requested=requested,
        group=group,
        call_id=text(attributes, _LITELLM_CALL_ID),
    )


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Whether a span says that it is a call of a model."""
    return text(attributes, *_OPERATION) in _CALLS


def _is_cached(span: Span) -> bool:
    """Whether the answer is from LiteLLM's cache."""
    hit = span.attributes.get(_LITELLM_CACHE_HIT)
    if isinstance(hit, bool) or span.scope != _LITELLM_SCOPE:
        return hit is True
    hidden = parsed(span.attributes.get(_LITELLM_HIDDEN))
    return text(hidden, "cache_key") is not None and billed(hidden.get("response_cost")) is None


def _counts(span: Span) -> Counts | None:
    counts = _COUNTS.read(span.attributes)
    if span.scope == _LITELLM_SCOPE:
        return _litellm_counts(span.attributes.get(_LITELLM_USAGE)) or counts
    if counts is None:
        return None
    if _LEAVES_CACHED_OUT.fullmatch(span.scope) and (
        not span.scope.endswith(_LLAMA_INDEX) or "claude" in (text(span.attributes, _ANSWERING, _REQUESTED) or "")
    ):
        return with_cached(counts)
    usage = span.attributes.get(_VENDOR_USAGE)
    return counts if usage is None else with_parts(counts, parsed(usage))


def _litellm_counts(usage: object) -> Counts | None:
    if not isinstance(usage, str) or len(usage) > _LONGEST_LITERAL:
        return None
    try:
        return usage_counts(mapping(ast.literal_eval(usage)))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
