"""LiteLLM's record of a call, its StandardLoggingPayload: https://docs.litellm.ai/docs/proxy/logging_spec"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from providers.formats.calls import (
    billed,
    count,
    error_fields,
    mapping,
    response_fields,
    usage_counts,
    vendor_response_id,
    whole,
)
from utils.errors import Invalid

# Tag with the proxy's name of a model.
MODEL_GROUP = "model_group"
_MOST_TAGS = 8
# LiteLLM adds these to the tags by itself.
_OWN_TAGS = "User-Agent:"
_KINDS = ("audio_tokens", "image_tokens", "video_tokens")


CallNames = Callable[[str, str, str | None], tuple[str, str]]
"""The names of the provider and the model of a call: see `PriceBook.names`."""

# What follows the name of a model in that of one of its versions, such as `-2024-08-06`, `-20250929` and `@001`.
_VERSION = re.compile(r"[-@:.]v?\d[\w.:-]*")
# Calls of these types are model calls, which use tokens.
_MODEL_CALL = re.compile(r"completion|responses|embedding|messages|generate_content")


def litellm_event(payload: Mapping[str, Any], names: CallNames) -> dict[str, Any] | None:
    """The fields of the event that a payload reports; None for no model call, such as the listing of files.

    The fields are not validated yet. Raises Invalid for invalid times, and for a success without token counts.
    """
    metadata, answer = mapping(payload.get("metadata")), mapping(payload.get("response"))
    usage = mapping(metadata.get("usage_object"))
    counts = usage_counts(usage) or usage_counts(payload)
    cost = billed(payload.get("response_cost"))
    failed, hit = payload.get("status") != "success", payload.get("cache_hit") is True
    if not (failed or hit or cost or whole(counts)) and _MODEL_CALL.search(str(payload.get("call_type"))):
        raise Invalid("a call without token counts (streams report them only if the application requests them)")
    if counts is None or not (failed or cost or whole(counts)):
        return None
    requested = _text(payload.get("model"))
    model, group = answering_model(_text(answer.get("model")), requested, _text(payload.get("model_group")))
    provider, model = names(_text(payload.get("custom_llm_provider")) or "", model, requested)
    response_id = vendor_response_id(_text(payload.get("id")))
    event: dict[str, Any] = {
        **counts.fields(),
        **(error_fields(mapping(payload.get("error_information")).get("error_class")) if failed else {}),
        **_times(payload.get("startTime"), payload.get("endTime")),
        "provider": provider,
        "model": model or None,
        "tags": _tags(payload.get("request_tags"), metadata, group),
        # An answer from LiteLLM's cache has the id of the call that was paid for.
        **response_fields(None if hit else response_id, payload.get("litellm_call_id")),
    }
    if metadata.get("user_api_key_project_alias"):
        event["project"] = metadata["user_api_key_project_alias"]
    if hit:
        event["cost"] = Decimal(0)
    elif cost is not None:
        event["cost" if _is_beyond_text(usage, counts.input + counts.output) else "fallback_cost"] = cost
    return event


def answering_model(answer: str | None, requested: str | None, group: str | None) -> tuple[str, str | None]:
    """The model that the vendor ran, and the proxy's name for it if that is another one.

    `requested` is the model that LiteLLM asked the vendor for, with the provider in front. `answer` is the model of the
    answer, which the proxy replaces by its own name, `group`. Without a group, only a version of the requested model is
    taken for the vendor's word.
    """
    asked = (requested or "").rpartition("/")[2]
    is_own = answer == group if group else not _is_version(answer or "", asked)
    model = (requested if is_own else answer) or answer or requested or ""
    named = group or answer
    other = named is not None and named.rpartition("/")[2] not in (asked, model.rpartition("/")[2])
    return model, named if other else None


def _is_version(name: str, model: str) -> bool:
    base = model.removesuffix("-latest")
    return name == model or (name.startswith(base) and _VERSION.fullmatch(name, len(base)) is not None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


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


def _tags(request_tags: object, metadata: Mapping[str, Any], group: str | None) -> dict[str, str]:
    """Key, team and model group by their names, then the request's: `key:value`, or `key`, whose value is "true"."""
    named = {
        "key": metadata.get("user_api_key_alias"),
        "team": metadata.get("user_api_key_team_alias"),
        MODEL_GROUP: group,
    }
    tags = {key: value for key, value in named.items() if isinstance(value, str) and value}
    for tag in request_tags if isinstance(request_tags, list) else ():
        if isinstance(tag, str) and not tag.startswith(_OWN_TAGS):
            key, _, value = tag.partition(":")
            tags.setdefault(key, value.strip() or "true")
    return dict(list(tags.items())[:_MOST_TAGS])
