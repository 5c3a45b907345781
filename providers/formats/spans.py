"""Model calls in the attributes of OpenTelemetry spans.

Four conventions report them. Each decides by itself whether its count of the prompt includes the cached part:

- The GenAI semantic conventions, which OpenLLMetry, LiteLLM and others follow: the input includes what was read from
  and written to the cache (https://github.com/open-telemetry/semantic-conventions-genai, gen-ai-spans.md). Their older
  names are `prompt_tokens` and `completion_tokens`. OpenLLMetry's instrumentation of Bedrock leaves the cached part out
  (https://github.com/traceloop/openllmetry/issues/4449).
- OpenInference: `llm.token_count.prompt` includes it (openinference-instrumentation-anthropic, _utils.py).
- Vercel's AI SDK: from version 6 on, which reports `inputTokenDetails`, the input includes it for every vendor; before,
  it was the vendor's own, which at Anthropic and Bedrock leaves it out (packages/anthropic of github.com/vercel/ai).
  From version 7 on it follows the semantic conventions.

A cached part that is larger than the input it should be a part of shows that the input leaves it out.
"""

import ast
import re
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

from providers.formats.calls import Counts, ReportedCall, billed, count, first, mapping, openai_counts, vendor_name
from providers.formats.otlp import Span
from utils import json

_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.details.cache_read_input_tokens",
)
_WRITTEN = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.input_tokens.cache_write",
    "gen_ai.usage.details.cache_write_tokens",
    "gen_ai.usage.details.cache_creation_input_tokens",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.usage.reasoning_tokens",
)
_OPERATION = ("gen_ai.operation.name", "llm.request.type")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_MODEL = ("gen_ai.response.model", "gen_ai.request.model")
_RESPONSE_ID = "gen_ai.response.id"
_TRACELOOP_KIND = "traceloop.span.kind"
# Names of operations that make no call themselves, but may report the tokens of those within them.
_NO_CALL = re.compile(r"agent|tool|workflow|task|step|plan|memory|retriev|guardrail|session|thread|evaluat")

_LITELLM_SCOPE = "litellm"
# The usage as a Python literal, with the cached part that the conventions' attributes lack there.
_LITELLM_USAGE = "metadata.usage_object"
_LITELLM_CACHE_HIT = "litellm.cache_hit"
_LITELLM_COST = "gen_ai.cost.total_cost"
_LONGEST_LITERAL = 4096

_KIND = "openinference.span.kind"
_OPENINFERENCE_CALLS = frozenset({"LLM", "EMBEDDING"})
_OI_INPUT = "llm.token_count.prompt"
_OI_OUTPUT = "llm.token_count.completion"
_OI_READ = ("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input")
_OI_WRITTEN = "llm.token_count.prompt_details.cache_write"
_OI_REASONING = "llm.token_count.completion_details.reasoning"
_OI_MODEL = ("llm.response.model_name", "llm.model_name", "embedding.model_name")
_OI_PROVIDER = ("llm.provider", "llm.system")
_OI_COST = "llm.cost.total"
# The request without the prompt; of failed calls only this names the model.
_OI_PARAMETERS = "llm.invocation_parameters"
# The vendor's own answer, which starts with its id.
_OI_OUTPUT_VALUE = "output.value"
# In an assembled stream, the id follows the choices. Quotes within a text are escaped.
_ANSWER_ID = re.compile(r'\{\s*(?:"choices":\s*\[.*\],\s*)?"id":\s*"([A-Za-z0-9_-]{16,100})"', re.DOTALL)

_OPERATION_ID = "ai.operationId"
_AI_CALLS = (".doGenerate", ".doStream", ".doEmbed")
_AI_INPUT = ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens")
_AI_OUTPUT = ("ai.usage.outputTokens", "ai.usage.completionTokens")
_AI_READ = ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens")
_AI_WRITTEN = "ai.usage.inputTokenDetails.cacheWriteTokens"
_AI_UNCACHED = "ai.usage.inputTokenDetails.noCacheTokens"
_AI_REASONING = ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens")
_AI_MODEL = ("ai.response.model", "ai.model.id")
_AI_PROVIDER = "ai.model.provider"
_AI_RESPONSE_ID = "ai.response.id"
_AI_METADATA = "ai.response.providerMetadata"
_LONGEST_OBJECT = 64 * 1024
_LEAVES_CACHED_OUT = re.compile(r"anthropic|bedrock")

PROJECT = "llmlab.project"
TAG = "llmlab.tag."
ERROR_TYPE = "error.type"
_RESOURCE = frozenset(
    {"service.name", "service.namespace", "deployment.environment.name", "deployment.environment", PROJECT}
)
_WANTED = frozenset(
    {
        *_INPUT, *_OUTPUT, *_READ, *_WRITTEN, *_REASONING, *_OPERATION, *_PROVIDER, *_MODEL, _RESPONSE_ID,
        _TRACELOOP_KIND, _LITELLM_USAGE, _LITELLM_CACHE_HIT, _LITELLM_COST,
        _KIND, _OI_INPUT, _OI_OUTPUT, *_OI_READ, _OI_WRITTEN, _OI_REASONING, *_OI_MODEL, *_OI_PROVIDER, _OI_COST,
        _OI_PARAMETERS, _OI_OUTPUT_VALUE,
        _OPERATION_ID, *_AI_INPUT, *_AI_OUTPUT, *_AI_READ, _AI_WRITTEN, _AI_UNCACHED, *_AI_REASONING, *_AI_MODEL,
        _AI_PROVIDER, _AI_RESPONSE_ID, _AI_METADATA,
        ERROR_TYPE, *_RESOURCE,
    }
)  # fmt: skip


def wanted(key: str) -> bool:
    """Whether attributes of this name are read. Prompts and answers are in other ones."""
    return key in _WANTED or key.startswith(TAG)


def parse_call(span: Span) -> ReportedCall | None:
    """The model call of a span; None for another span, and for one that only sums up the calls within it."""
    if _OPERATION_ID in span.attributes:
        return _vercel(span.attributes)
    if _KIND in span.attributes:
        return _openinference(span.attributes)
    return _genai(span)


def _genai(span: Span) -> ReportedCall | None:
    attributes = span.attributes
    model = _text(attributes, *_MODEL)
    operation = _text(attributes, *_OPERATION)
    if model is None or _TRACELOOP_KIND in attributes or (operation is not None and _NO_CALL.search(operation.lower())):
        return None
    counts = _counted(attributes, _INPUT, _OUTPUT, _READ, _WRITTEN, _REASONING)
    if operation is None and counts is None:
        return None
    free = attributes.get(_LITELLM_CACHE_HIT) is True
    if span.scope == _LITELLM_SCOPE:
        counts = _litellm_counts(attributes.get(_LITELLM_USAGE)) or counts
    elif counts is not None and span.scope.endswith("instrumentation.bedrock"):
        counts = _with_cached(counts)
    return ReportedCall(
        provider=vendor_name(_text(attributes, *_PROVIDER) or ""),
        model=model,
        # An answer from LiteLLM's cache has the id of the call that was paid for.
        response_id=None if free else _text(attributes, _RESPONSE_ID),
        counts=_whole(counts),
        cost=billed(attributes.get(_LITELLM_COST)),
        free=free,
    )


def _openinference(attributes: Mapping[str, Any]) -> ReportedCall | None:
    if attributes[_KIND] not in _OPENINFERENCE_CALLS:
        return None
    model = _text(attributes, *_OI_MODEL) or _text(_object(attributes.get(_OI_PARAMETERS)), "model")
    if model is None:
        return None
    answer = _ANSWER_ID.match(_text(attributes, _OI_OUTPUT_VALUE) or "")
    return ReportedCall(
        provider=vendor_name(_text(attributes, *_OI_PROVIDER) or ""),
        model=model,
        response_id=answer[1] if answer else _text(attributes, _RESPONSE_ID),
        counts=_whole(_counted(attributes, (_OI_INPUT,), (_OI_OUTPUT,), _OI_READ, (_OI_WRITTEN,), (_OI_REASONING,))),
        cost=billed(attributes.get(_OI_COST)),
    )


def _vercel(attributes: Mapping[str, Any]) -> ReportedCall | None:
    operation, model = str(attributes[_OPERATION_ID]), _text(attributes, *_AI_MODEL, *_MODEL)
    if not operation.endswith(_AI_CALLS) or model is None:
        return None
    provider = _text(attributes, _AI_PROVIDER, *_PROVIDER) or ""
    counts = _counted(
        attributes, (*_AI_INPUT, *_INPUT), (*_AI_OUTPUT, *_OUTPUT), _AI_READ, (_AI_WRITTEN,), _AI_REASONING
    )
    if counts is not None and not {_AI_UNCACHED, _AI_READ[0], _AI_WRITTEN} & attributes.keys():
        counts = _older_vercel(counts, provider, _object(attributes.get(_AI_METADATA)))
    return ReportedCall(
        provider=vendor_name(provider),
        model=model,
        response_id=_text(attributes, _AI_RESPONSE_ID, _RESPONSE_ID),
        counts=_whole(counts),
    )


def _older_vercel(counts: Counts, provider: str, metadata: Mapping[str, Any]) -> Counts:
    """The counts of a version before 6, which reports some of the cached part only in the vendor's metadata."""
    if not _LEAVES_CACHED_OUT.search(provider):
        cached = counts.cache_read or first(mapping(metadata.get("openai")).get("cachedPromptTokens"))
        return counts._replace(cache_read=cached)
    anthropic = mapping(metadata.get("anthropic"))
    bedrock = mapping(mapping(metadata.get("bedrock")).get("usage"))
    written_1h = count(mapping(mapping(anthropic.get("usage")).get("cache_creation")).get("ephemeral_1h_input_tokens"))
    written = first(anthropic.get("cacheCreationInputTokens"), bedrock.get("cacheWriteInputTokens"))
    return _with_cached(
        counts._replace(
            cache_read=counts.cache_read
            or first(anthropic.get("cacheReadInputTokens"), bedrock.get("cacheReadInputTokens")),
            cache_write=max(written - written_1h, 0),
            cache_write_1h=written_1h,
        )
    )


def _litellm_counts(usage: object) -> Counts | None:
    if not isinstance(usage, str) or len(usage) > _LONGEST_LITERAL:
        return None
    try:
        return openai_counts(mapping(ast.literal_eval(usage)))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _counted(
    attributes: Mapping[str, Any],
    input: tuple[str, ...],
    output: tuple[str, ...],
    read: tuple[str, ...],
    written: tuple[str, ...],
    reasoning: tuple[str, ...],
) -> Counts | None:
    """The counts, each under the first of its names that has one; None when neither side was counted."""
    if not any(_is_count(attributes.get(key)) for key in (*input, *output)):
        return None
    return Counts(
        input=first(*map(attributes.get, input)),
        output=first(*map(attributes.get, output)),
        cache_read=first(*map(attributes.get, read)),
        cache_write=first(*map(attributes.get, written)),
        reasoning=first(*map(attributes.get, reasoning)),
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(counts: Counts | None) -> Counts | None:
    """The counts with the cached part added to a prompt that evidently lacks it."""
    if counts is None:
        return None
    cached = counts.cache_read + counts.cache_write + counts.cache_write_1h
    return _with_cached(counts) if cached > counts.input else counts


def _with_cached(counts: Counts) -> Counts:
    return counts._replace(input=counts.input + counts.cache_read + counts.cache_write + counts.cache_write_1h)


def _text(attributes: Mapping[str, Any], *keys: str) -> str | None:
    """The first of the attributes with a text."""
    return next((value for key in keys if isinstance(value := attributes.get(key), str) and value), None)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, str) or len(value) > _LONGEST_OBJECT:
        return {}
    try:
        return mapping(json.loads(value.encode(errors="replace")))
    except JSONDecodeError:
        return {}
