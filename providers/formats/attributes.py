"""Attributes of spans: token counts by the names of a convention, texts and JSON."""

from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any, NamedTuple

from providers.formats.calls import Counts, count, mapping, with_writes
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


class CountReader:
    """Reads the counts of a convention from attributes."""

    def __init__(self, names: CountNames) -> None:
        # Field and rank of each name, so that each attribute is looked at once.
        self._places = {
            name: (field, -rank) for field, of_field in enumerate(names) for rank, name in enumerate(of_field)
        }
        self.names = frozenset(self._places)

    def read(self, attributes: Mapping[str, Any]) -> Counts | None:
        """The counts, each under the best of its names that is not 0; None when neither side was counted."""
        found: list[tuple[int, int]] = [_NONE] * len(CountNames._fields)
        counted = False
        for name in attributes.keys() & self.names:
            field, rank = self._places[name]
            value = attributes[name]
            counted = counted or (field < _SIDES and _is_count(value))
            tokens = count(value)
            if tokens:
                found[field] = max(found[field], (rank, tokens))
        if not counted:
            return None
        input, output, read, written, written_5m, written_1h, reasoning = (tokens for _, tokens in found)
        counts = Counts(input, output, cache_read=read, reasoning=reasoning)
        return with_writes(counts, written, written_5m, written_1h) if written or written_5m or written_1h else counts


# Rank and tokens of a count that was not found.
_NONE = (-1_000, 0)
# The first fields: what was sent to the model and what it answered.
_SIDES = 2


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
