"""What LLMLab takes: texts that are too long are cut, and control characters become spaces."""

import re
from typing import Any

_LONGEST = (("id", 128), ("provider", 64), ("model", 256), ("project", 128), ("error_message", 2000))
_TAGS, _TAG, _TAG_VALUE = 8, 64, 128
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def bounded(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a call, within LLMLab's bounds."""
    told = dict(facts)
    for name, longest in _LONGEST:
        if name in told:
            told[name] = _clean(told[name], longest)
    if "tags" in told:
        pairs = [(str(key), str(value)) for key, value in told["tags"].items()]
        kept = [(key, value) for key, value in pairs if key and value][:_TAGS]
        told["tags"] = {_clean(key, _TAG): _clean(value, _TAG_VALUE) for key, value in kept}
    return told


def _clean(value: Any, longest: int) -> str:
    return _CONTROL.sub(" ", str(value))[:longest]
