"""Reported calls: model calls as instrumentation and proxies report them, with the names and units of events."""

import base64
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from models import MAX_TOKENS

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_SMALLEST = Decimal("1e-12")
# Shortest id that counts as unique: servers that make up ids of a few digits repeat them.
_SHORTEST_ID = 16
_LONGEST_ID = 1024
# The proxy of LiteLLM puts the vendor's id of a response into one of its own, in base64.
_WRAPPED_ID = re.compile(r"resp_([A-Za-z0-9+/_-]{40,4096}={0,2})")
_ID_WITHIN = re.compile(r"litellm:.*?response_id:([^;]{1,512})", re.DOTALL)


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

    `provider` and `model` are as reported, and `provider` may be empty. `requested` is the model that was asked for,
    and `group` the name of a proxy for it. `call_id` is the sender's own id of the call, which identifies it where the
    vendor's does not. `free` marks an answer that cost nothing, since it came from a cache on this
    side of the vendor.
    """

    provider: str
    model: str
    response_id: str | None
    counts: Counts | None
    cost: Decimal | None = None
    free: bool = False
    requested: str | None = None
    group: str | None = None
    call_id: str | None = None


def vendor_response_id(reported: str | None) -> str | None:
    """The vendor's own id of a response."""
    wrapped = _WRAPPED_ID.fullmatch(reported) if reported is not None and reported.startswith("resp_") else None
    if wrapped is None:
        return reported
    try:
        text = base64.b64decode(wrapped[1] + "=" * (-len(wrapped[1]) % 4), altchars=b"-_").decode()
    except ValueError:
        return reported
    within = _ID_WITHIN.fullmatch(text)
    return reported if within is None else within[1]


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


def usage_counts(usage: Mapping[str, Any]) -> Counts | None:
    """The counts of a usage in the form of OpenAI, LiteLLM or Anthropic; None for one without counts.

    LiteLLM counts the cached parts as part of the prompt for every vendor. Anthropic leaves them out.
    """
    prompt = _known(usage.get("prompt_tokens"), usage.get("input_tokens"))
    completion = _known(usage.get("completion_tokens"), usage.get("output_tokens"))
    if prompt is None and completion is None:
        return None
    of_prompt = mapping(usage.get("prompt_tokens_details")) or mapping(usage.get("input_tokens_details"))
    of_output = mapping(usage.get("completion_tokens_details")) or mapping(usage.get("output_tokens_details"))
    by_duration = mapping(usage.get("cache_creation")) or mapping(of_prompt.get("cache_creation_token_details"))
    counts = with_writes(
        Counts(
            input=count(prompt),
            output=count(completion),
            cache_read=first(usage.get("cache_read_input_tokens"), of_prompt.get("cached_tokens")),
            reasoning=first(of_output.get("reasoning_tokens"), of_output.get("thinking_tokens")),
        ),
        first(
            usage.get("cache_creation_input_tokens"),
            of_prompt.get("cache_creation_tokens"),
            of_prompt.get("cache_write_tokens"),
        ),
        count(by_duration.get("ephemeral_5m_input_tokens")),
        count(by_duration.get("ephemeral_1h_input_tokens")),
    )
    is_anthropic = usage.get("prompt_tokens") is None and "input_tokens_details" not in usage
    return with_cached(counts) if is_anthropic else counts


def with_writes(counts: Counts, written: int, for_5m: int, for_1h: int) -> Counts:
    """The counts with what was written to the cache: `written` in all, if that was reported, or else by duration."""
    written = written or for_5m + for_1h
    return counts._replace(cache_write=max(written - for_1h, 0), cache_write_1h=min(for_1h, written))


def with_parts(counts: Counts, usage: Mapping[str, Any]) -> Counts:
    """The counts with the parts that only the usage of the vendor tells.

    The cached parts are added to a prompt that leaves them out, as that usage shows.
    """
    reported = usage_counts(usage)
    if reported is None:
        return counts
    written = counts.cache_write + counts.cache_write_1h
    found = with_writes(
        counts._replace(
            cache_read=counts.cache_read or reported.cache_read, reasoning=counts.reasoning or reported.reasoning
        ),
        written,
        reported.cache_write,
        counts.cache_write_1h or reported.cache_write_1h,
    )
    complete = with_cached(found)
    return complete if complete.input == reported.input else found


def with_cached(counts: Counts) -> Counts:
    """The counts with the cached parts added to a prompt that leaves them out."""
    return counts._replace(input=counts.input + counts.cache_read + counts.cache_write + counts.cache_write_1h)


def whole(counts: Counts | None) -> Counts | None:
    """The counts with the cached parts added to a prompt that evidently lacks them; None where nothing was counted.

    No model takes an empty prompt and answers nothing, so that two zeros are no counts.
    """
    if counts is None or not (counts.input or counts.output):
        return None
    return (
        with_cached(counts) if counts.cache_read + counts.cache_write + counts.cache_write_1h > counts.input else counts
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


def _known(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
