"""Events as lines of JSON."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

from llmlab._bounds import bounded
from llmlab._cache import Saving
from llmlab._ids import event_id
from llmlab._logs import warn
from llmlab._usage import counts, excerpt, has_usage

_METADATA_BYTES = 16 * 1024
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Unreadable(ValueError):
    """A response contains no usage."""


def line_of(event: Mapping[str, Any]) -> bytes:
    """The event as one line of JSON, within LLMLab's limits. Raises Unreadable for a response without usage."""
    body = bounded({key: value for key, value in event.items() if value is not None})
    timestamp, number = body["timestamp"], body.pop("number", 0)
    if isinstance(timestamp, float):
        if "response_id" not in body:
            body.setdefault("id", event_id(timestamp, number))
        body["timestamp"] = f"{_second(int(timestamp))}.{int(timestamp % 1 * 1_000_000):06d}+00:00"
    elif isinstance(timestamp, datetime):
        body["timestamp"] = timestamp.isoformat()
    if "latency_ms" in body:
        body["latency_ms"] = round(min(max(body["latency_ms"], 0.0), 86_400_000.0), 3)
    if "response" in body:
        body["response"] = excerpt(body["response"])
        if not has_usage(body["response"]):
            raise Unreadable
    given, saving = body.pop("metadata", None), body.pop("saving", None)
    if (given or saving) and (metadata := _metadata(given, saving)):
        body["metadata"] = metadata
    cost = body.pop("cost", None)
    text = _encode(body)
    if cost is not None:
        # Written by hand, because the json module cannot write a Decimal with all its digits.
        text = f'{{"cost":{Decimal(str(cost)):f},{text[1:]}'
    return text.encode("utf-8", "replace")


@lru_cache(maxsize=4)
def _second(timestamp: int) -> str:
    """The time of a second. Most calls end in the same one as the call before."""
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def _metadata(given: Mapping[str, Any] | None, saving: Saving | None) -> dict[str, Any]:
    metadata = dict(given or {})
    if saving is not None:
        metadata["cache"] = {
            "hit": True,
            "first_event": saving.event_id,
            "saved_input_tokens": saving.input_tokens,
            "saved_output_tokens": saving.output_tokens,
            "saved_usd": saving.usd,
        }
    try:
        text = json.dumps(metadata, allow_nan=False)
        if len(text) > _METADATA_BYTES:
            reason = "it is larger than 16 KiB"
        elif "\\u0000" in text:
            reason = "it contains NUL characters"
        else:
            return metadata
    except (TypeError, ValueError) as error:
        reason = f"it has no JSON form: {error}"
    warn("metadata", f"The metadata of a call is left out: {reason}")
    return {}


def with_counts(line: bytes) -> bytes | None:
    """The event with counts instead of a response that LLMLab cannot read, such as one from an unknown provider."""
    # `line_of` writes the cost first; it is kept as text, because a float would lose digits.
    cost, comma, rest = line.partition(b",") if line.startswith(b'{"cost":') else (b"{", b"", line[1:])
    event = json.loads(b"{" + rest)
    response = event.pop("response", {})
    found = counts(response)
    model = event.pop("model", None) or response.get("model") or response.get("modelVersion")
    if not found or model is None:
        return None
    return cost + comma + line_of({**event, **found, "model": model})[1:]
