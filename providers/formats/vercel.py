"""Calls by Vercel's AI SDK, versions 4 to 6. From version 7 on it follows the GenAI semantic conventions.

In version 6 the input includes the cached part for every vendor. Before, it was the vendor's own, which at Anthropic
and Bedrock leaves it out (packages/anthropic of github.com/vercel/ai). The usage of Anthropic's own answer is in the
metadata of the provider in every version from 5 on, and has all parts.
"""

import re
from collections.abc import Mapping
from typing import Any

from providers.formats.attributes import CountNames, CountReader, parsed, text
from providers.formats.calls import Counts, ReportedCall, first, mapping, usage_counts, whole, with_cached, with_writes

OPERATION_ID = "ai.operationId"
_CALLS = (".doGenerate", ".doStream", ".doEmbed")
_READ = "ai.usage.inputTokenDetails.cacheReadTokens"
_WRITTEN = "ai.usage.inputTokenDetails.cacheWriteTokens"
_UNCACHED = "ai.usage.inputTokenDetails.noCacheTokens"
_COUNTS = CountReader(
    CountNames(
        input=("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens", "gen_ai.usage.input_tokens"),
        output=("ai.usage.outputTokens", "ai.usage.completionTokens", "gen_ai.usage.output_tokens"),
        read=(_READ, "ai.usage.cachedInputTokens"),
        written=(_WRITTEN,),
        reasoning=("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
    )
)
_MODEL = ("ai.response.model", "ai.model.id", "gen_ai.response.model", "gen_ai.request.model")
_REQUESTED = ("ai.model.id", "gen_ai.request.model")
_PROVIDER = ("ai.model.provider", "gen_ai.provider.name", "gen_ai.system")
_RESPONSE_ID = ("ai.response.id", "gen_ai.response.id")
_METADATA = "ai.response.providerMetadata"
_LEAVES_CACHED_OUT = re.compile(r"anthropic|bedrock")

WANTED = _COUNTS.names | {OPERATION_ID, _UNCACHED, *_MODEL, *_PROVIDER, *_RESPONSE_ID, _METADATA}


def vercel_call(attributes: Mapping[str, Any]) -> ReportedCall | None:
    """The call of a span of the AI SDK; None for an outer one, which sums up calls, and for a tool."""
    operation, model = str(attributes[OPERATION_ID]), text(attributes, *_MODEL)
    if not operation.endswith(_CALLS) or model is None:
        return None
    provider = text(attributes, *_PROVIDER) or ""
    return ReportedCall(
        provider=provider,
        model=model,
        response_id=text(attributes, *_RESPONSE_ID),
        counts=whole(_counts(attributes, provider)),
        requested=text(attributes, *_REQUESTED),
    )


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Whether a span says that it is a call of a model."""
    return str(attributes.get(OPERATION_ID)).endswith(_CALLS)


def _counts(attributes: Mapping[str, Any], provider: str) -> Counts | None:
    counts = _COUNTS.read(attributes)
    if counts is None:
        return None
    metadata = parsed(attributes.get(_METADATA))
    anthropic = mapping(metadata.get("anthropic"))
    usage = mapping(anthropic.get("usage"))
    if usage.get("input_tokens") is not None:
        reported = usage_counts(usage)
        assert reported is not None
        return reported._replace(
            output=counts.output or reported.output, reasoning=counts.reasoning or reported.reasoning
        )
    if {_UNCACHED, _READ, _WRITTEN} & attributes.keys():
        return counts
    if not _LEAVES_CACHED_OUT.search(provider):
        cached = counts.cache_read or first(mapping(metadata.get("openai")).get("cachedPromptTokens"))
        return counts._replace(cache_read=cached)
    bedrock = mapping(mapping(metadata.get("bedrock")).get("usage"))
    by_duration = mapping(usage.get("cache_creation"))
    read = first(anthropic.get("cacheReadInputTokens"), bedrock.get("cacheReadInputTokens"))
    return with_cached(
        with_writes(
            counts._replace(cache_read=counts.cache_read or read),
            first(anthropic.get("cacheCreationInputTokens"), bedrock.get("cacheWriteInputTokens")),
            first(by_duration.get("ephemeral_5m_input_tokens")),
            first(by_duration.get("ephemeral_1h_input_tokens")),
        )
    )
