"""Reported calls: model calls as instrumentation and proxies report them, with the names and units of events."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from models import MAX_TOKENS

# Names that the price list does not find by itself, or takes for another vendor's.
_VENDORS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "azure-openai": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
}
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_SMALLEST = Decimal("1e-12")
# Shortest id that counts as unique: servers that make up ids of a few digits repeat them.
_SHORTEST_ID = 16
_LONGEST_ID = 1024


class Counts(NamedTuple):
    """Tokens of one call. `input` is the whole prompt with its cached parts."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    def fields(self) -> dict[str, int]:
        """The counts as fields of an event."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_tokens": self.cache_read,
            "cache_write_tokens": self.cache_write,
            "cache_write_1h_tokens": self.cache_write_1h,
            "reasoning_tokens": self.reasoning,
        }


class ReportedCall(NamedTuple):
    """A model call. `counts` is None when it was not counted; `cost` is the sender's estimate, used without a price.

    `free` marks an answer that cost nothing, since it came from a cache on this side of the vendor.
    """

    provider: str
    model: str
    response_id: str | None
    counts: Counts | None
    cost: Decimal | None = None
    free: bool = False


def vendor_name(reported: str) -> str:
    """Our name of a provider that instrumentation names `reported`, such as `az.ai.openai` or `openai.chat`."""
    name = reported.strip().lower()
    found = _VENDORS.get(name) or _VENDORS.get(name.split(".")[0])
    return found or name


def response_fields(response_id: object, own_id: object) -> dict[str, Any]:
    """The identity of a call as fields of an event: the provider's id of its response, or else the sender's id."""
    if not isinstance(response_id, str) or not _SHORTEST_ID <= len(response_id) <= _LONGEST_ID:
        return {"id": own_id}
    return {"response_id": response_id}


def error_fields(kind: object) -> dict[str, str]:
    """The fields of a failed event. Only the kind of the error is kept: its message may quote the prompt."""
    text = kind if isinstance(kind, str) and _CODE.fullmatch(kind) else None
    status = "timeout" if text is not None and "timeout" in text.lower() else "error"
    return {"status": status} | ({} if text is None else {"error_message": text})


def openai_counts(usage: Mapping[str, Any]) -> Counts | None:
    """The counts of a usage in OpenAI's form with LiteLLM's additions; None for one without counts.

    LiteLLM counts the cached parts as part of the prompt for every vendor.
    """
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if prompt is None and completion is None:
        return None
    details = mapping(usage.get("prompt_tokens_details"))
    written = first(
        usage.get("cache_creation_input_tokens"),
        details.get("cache_creation_tokens"),
        details.get("cache_write_tokens"),
    )
    written_1h = first(mapping(details.get("cache_creation_token_details")).get("ephemeral_1h_input_tokens"))
    return Counts(
        input=count(prompt),
        output=count(completion),
        cache_read=first(usage.get("cache_read_input_tokens"), details.get("cached_tokens")),
        cache_write=max(written - written_1h, 0),
        cache_write_1h=written_1h,
        reasoning=first(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def count(value: object) -> int:
    """A count of tokens; 0 for anything else. A float without a fraction is a count."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return 0
    return int(value) if 0 <= value <= MAX_TOKENS else MAX_TOKENS + 1 if value > 0 else 0


def first(*values: object) -> int:
    """The first of several counts that is not 0."""
    return next((found for value in values if (found := count(value))), 0)


def billed(cost: object) -> Decimal | None:
    """A reported cost in USD; None for anything else, and for 0, which senders report when they know no price.

    It is rounded to the digits that are stored, which removes the error of a binary fraction.
    """
    if isinstance(cost, bool) or not isinstance(cost, int | float | Decimal):
        return None
    try:
        usd = Decimal(cost).quantize(_SMALLEST)
    except InvalidOperation:
        return None
    return usd if usd > 0 else None


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
