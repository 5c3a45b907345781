"""Limits of event fields: longer texts are truncated, and control characters become spaces."""

import re
from typing import Any

_MAX_LENGTHS = (
    ("id", 128),
    ("response_id", 1024),
    ("provider", 64),
    ("model", 256),
    ("project", 128),
    ("error_message", 2000),
)
_MAX_TAGS, _MAX_TAG_KEY, _MAX_TAG_VALUE = 8, 64, 128
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def bounded(facts: dict[str, Any]) -> dict[str, Any]:
    """A copy of an event with all fields within the limits."""
    event = dict(facts)
    for name, length in _MAX_LENGTHS:
        if name in event:
            event[name] = _clean(event[name], length)
    if "tags" in event:
        pairs = [(str(key), str(value)) for key, value in event["tags"].items()]
        kept = [(key, value) for key, value in pairs if key and value][:_MAX_TAGS]
        event["tags"] = {_clean(key, _MAX_TAG_KEY): _clean(value, _MAX_TAG_VALUE) for key, value in kept}
    return event


def _clean(value: Any, length: int) -> str:
    # Most texts are fine, and this runs before a call returns.
    if type(value) is str and len(value) <= length and value.isprintable():
        return value
    return _CONTROL.sub(" ", str(value))[:length]
