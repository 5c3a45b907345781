"""Attributes of spans: token counts by the names of a convention, texts and JSON."""

from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any, NamedTuple

from providers.formats.calls import Counts, first, mapping, with_writes
from utils import json

_LONGEST_OBJECT = 64 * 1024

Names = tuple[str, ...]


class CountNames(NamedTuple):
    """Names of the attributes that hold each count, best first.

    `written` is what was written to the cache in all, `written_5m` and `written_1h` the parts of it by duration.
    """

    input: Names
    output: Names
    read: Names = ()
    written: Names = ()
    written_5m: Names = ()
    written_1h: Names = ()
    reasoning: Names = ()

    def all(self) -> frozenset[str]:
        """All names."""
        return frozenset(name for names in self for name in names)

    def read_from(self, attributes: Mapping[str, Any]) -> Counts | None:
        """The counts, each under the first of its names that has one; None when neither side was counted."""
        if not any(_is_count(attributes.get(name)) for name in (*self.input, *self.output)):
            return None
        found = [first(*map(attributes.get, names)) for names in self]
        input, output, read, written, written_5m, written_1h, reasoning = found
        counts = Counts(input, output, cache_read=read, reasoning=reasoning)
        return with_writes(counts, written, written_5m, written_1h)


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(attributes: Mapping[str, Any], *keys: str) -> str | None:
    """The first of the attributes with a text."""
    return next((value for key in keys if isinstance(value := attributes.get(key), str) and value), None)


def parsed(value: object) -> Mapping[str, Any]:
    """The JSON object in an attribute of up to 64 KiB; an empty one for anything else."""
    if not isinstance(value, str) or len(value) > _LONGEST_OBJECT:
        return {}
    try:
        return mapping(json.loads(value.encode(errors="replace")))
    except JSONDecodeError:
        return {}
