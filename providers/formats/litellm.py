"""LiteLLM's record of a call, its StandardLoggingPayload: https://docs.litellm.ai/docs/proxy/logging_spec"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from providers.formats.calls import billed, count, error_fields, mapping, openai_counts, response_fields, vendor_name
from utils.errors import Invalid

_MOST_TAGS = 8
# LiteLLM adds these to the tags by itself.
_OWN_TAGS = "User-Agent:"
_KINDS = ("audio_tokens", "image_tokens", "video_tokens")


def litellm_event(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of the event that a payload reports; None for no model call, such as the listing of files.

    The fields are not validated yet. Raises Invalid for invalid times.
    """
    metadata, answer = mapping(payload.get("metadata")), mapping(payload.get("response"))
    provider = vendor_name(str(payload.get("custom_llm_provider") or "")) or "unknown"
    usage = mapping(metadata.get("usage_object"))
    counts = openai_counts(usage) or openai_counts(payload)
    cost = billed(payload.get("response_cost"))
    failed = payload.get("status") != "success"
    if counts is None or not (failed or cost or counts.input or counts.output):
        return None
    own_id = payload.get("id")
    # An answer from LiteLLM's cache has the id of the call that was paid for.
    from_cache = payload.get("cache_hit") is True
    event: dict[str, Any] = {
        **counts.fields(),
        **(error_fields(mapping(payload.get("error_information")).get("error_class")) if failed else {}),
        **_times(payload.get("startTime"), payload.get("endTime")),
        "provider": provider,
        "model": answer.get("model") or payload.get("model"),
        "tags": _tags(payload.get("request_tags"), metadata),
        **response_fields(None if from_cache else own_id, payload.get("litellm_call_id")),
    }
    if metadata.get("user_api_key_project_alias"):
        event["project"] = metadata["user_api_key_project_alias"]
    if from_cache:
        event["cost"] = Decimal(0)
    elif cost is not None:
        event["cost" if _is_beyond_text(usage, counts.input + counts.output) else "fallback_cost"] = cost
    return event


def _is_beyond_text(usage: Mapping[str, Any], tokens: int) -> bool:
    """Whether the call was billed by more than tokens of text, which are all that our counts hold."""
    details = [mapping(usage.get(f"{side}_tokens_details")) for side in ("prompt", "completion")]
    return not tokens or any(count(side.get(kind)) for side in details for kind in _KINDS)


def _times(started: object, ended: object) -> dict[str, Any]:
    try:
        start, end = float(started), float(ended)  # type: ignore[arg-type]
        at = datetime.fromtimestamp(start, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Invalid("startTime and endTime must be seconds since 1970") from None
    return {"timestamp": at, "latency_ms": max(end - start, 0) * 1000}


def _tags(request_tags: object, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Key and team by their names, then the tags of the request: `key:value`, or `key`, whose value is "true"."""
    named = {"key": metadata.get("user_api_key_alias"), "team": metadata.get("user_api_key_team_alias")}
    tags = {key: value for key, value in named.items() if isinstance(value, str) and value}
    for tag in request_tags if isinstance(request_tags, list) else ():
        if isinstance(tag, str) and not tag.startswith(_OWN_TAGS):
            key, _, value = tag.partition(":")
            tags.setdefault(key, value.strip() or "true")
    return dict(list(tags.items())[:_MOST_TAGS])
