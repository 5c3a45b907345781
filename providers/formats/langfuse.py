"""Calls by Langfuse's SDK from version 3 on (github.com/langfuse/langfuse-python, langfuse/_client/attributes.py).

A usage has the form of OpenAI, or parts of Langfuse's own. These add up: `input` leaves out `input_cached_tokens`,
`input_cache_read` and the like (langfuse/langchain/CallbackHandler.py), unless the total shows that it includes them.
"""

from collections.abc import Mapping
from typing import Any

from providers.formats.attributes import parsed, text
from providers.formats.calls import Counts, ReportedCall, billed, count, usage_counts, whole, with_writes

TYPE = "langfuse.observation.type"
_CALLS = frozenset({"generation", "embedding"})
_MODEL = "langfuse.observation.model.name"
_USAGE = "langfuse.observation.usage_details"
_COST = "langfuse.observation.cost_details"

# LangChain's name of the provider, in quotes.
_PROVIDER = "langfuse.observation.metadata.ls_provider"
# Of streams of OpenAI's Responses, the answer without its texts, each field as JSON.
_OBJECT = "langfuse.observation.metadata.object"
_RESPONSE_ID = "langfuse.observation.metadata.id"

WANTED = frozenset({TYPE, _MODEL, _USAGE, _COST, _PROVIDER, _OBJECT, _RESPONSE_ID})


def langfuse_call(attributes: Mapping[str, Any]) -> ReportedCall | None:
    """The call of an observation; None for another one, such as a chain or a tool."""
    model = text(attributes, _MODEL)
    if str(attributes[TYPE]).lower() not in _CALLS or model is None:
        return None
    usage = parsed(attributes.get(_USAGE))
    return ReportedCall(
        provider=_unquoted(attributes, _PROVIDER) or "",
        model=model,
        response_id=_unquoted(attributes, _RESPONSE_ID) if _unquoted(attributes, _OBJECT) == "response" else None,
        counts=whole(usage_counts(usage) or _parts(usage)),
        cost=billed(parsed(attributes.get(_COST)).get("total")),
    )


def _unquoted(attributes: Mapping[str, Any], key: str) -> str | None:
    return (text(attributes, key) or "").strip('"') or None


def _parts(usage: Mapping[str, Any]) -> Counts | None:
    if "input" not in usage and "output" not in usage:
        return None
    # The priority tier is no part of its own.
    found = {name: count(value) for name, value in usage.items() if "priority" not in name}
    input, output, total = (found.pop(name, 0) for name in ("input", "output", "total"))
    written = {name: found.pop(name) for name in list(found) if "cache_creation" in name or "cache_write" in name}
    written |= {name: found.pop(name) for name in list(found) if "ephemeral" in name}
    by_duration = {name: tokens for name, tokens in written.items() if "ephemeral" in name}
    # An answer tells what it read once, though by several names.
    read = max((found.pop(name) for name in list(found) if "cache" in name), default=0)
    counts = with_writes(
        Counts(
            input,
            output,
            cache_read=read,
            reasoning=sum(tokens for name, tokens in found.items() if "reasoning" in name),
        ),
        sum(tokens for name, tokens in written.items() if name not in by_duration),
        sum(tokens for name, tokens in by_duration.items() if "1h" not in name),
        sum(tokens for name, tokens in by_duration.items() if "1h" in name),
    )
    if total == input + output:
        return counts
    output += sum(tokens for name, tokens in found.items() if name.startswith("output"))
    input += sum(tokens for name, tokens in found.items() if name.startswith("input"))
    cached = counts.cache_read + counts.cache_write + counts.cache_write_1h
    return counts._replace(input=input + cached, output=output)
