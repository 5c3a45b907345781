"""Reads and writes JSON with exact decimal numbers."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import jiter
import orjson
from pydantic import BaseModel

# Maximum number of values in a document. A thousand events fit; ten times as many fit into a megabyte, and parsing them
# would block the event loop for a quarter of a second.
_MAX_VALUES = 65_536
# Maximum number of values that JsonReader parses in one step.
_MAX_VALUES_PER_STEP = 20_000
_PIECE = 65_536
# Text up to the next structural character outside of a string, and that character; empty at the end.
_MARKS = re.compile(r'(?:[^,\[\]{}"]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+([,\[\]{}]?)', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_float=Decimal)


class TooManyValues(json.JSONDecodeError):
    """The document contains too many values to parse without blocking."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it has more than {limit} values", "", 0)


def loads(data: bytes) -> Any:
    """Parses strict JSON; fractions become Decimal with all their digits.

    Raises json.JSONDecodeError for invalid JSON, including NaN, lone surrogates, repeated keys and nesting over 200
    levels, and TooManyValues for more than 65,536 values.
    """
    if len(data) > _MAX_VALUES and _marks(data) > _MAX_VALUES and _has_too_many(data):
        raise TooManyValues(_MAX_VALUES)
    try:
        return jiter.from_json(data, allow_inf_nan=False, float_mode="decimal", catch_duplicate_keys=True)
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None


def _marks(data: bytes) -> int:
    """An upper bound of the number of values: each but the first follows one of these characters."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _has_too_many(data: bytes) -> bool:
    """Whether there are more values than allowed, without counting characters in strings."""
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")
    # A value has at most four quotes: two for its name and two of its own.
    return plain.count(b'"') > 4 * _MAX_VALUES or _marks(b"".join(plain.split(b'"')[::2])) > _MAX_VALUES


def dumps(value: Any) -> bytes:
    """Writes plain values, pydantic models, UUIDs and times (RFC 3339); a Decimal becomes a number with every digit."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z)


def text(value: Mapping[str, Any] | None) -> str | None:
    """A JSON object as text, which a REST layer does not encode a second time; None if it is empty."""
    return dumps(value).decode() if value else None


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not -400 < value.adjusted() < 400:
            raise TypeError("a number is out of range")
        digits = format(value, "f")
        return orjson.Fragment(digits.rstrip("0").rstrip(".") if "." in digits else digits)
    if isinstance(value, BaseModel):
        return value.__dict__
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JsonReader:
    """Reads JSON value by value, so that the reader of a large document can yield to other tasks.

    Fractions become Decimal. All methods raise ValueError for invalid JSON, or RecursionError.
    """

    def __init__(self, data: bytes) -> None:
        self._text = data.decode()
        self._at = 0
        self._is_large = self._has_many_values()

    def value(self) -> Any:
        """Reads the next value. Raises TooManyValues if it contains more than 20,000 others."""
        start = self._skip_space()
        if self._is_large and self._text.startswith(("[", "{"), start):
            self._check(start)
        value, self._at = _DECODER.raw_decode(self._text, start)
        return value

    def members(self) -> Iterator[str]:
        """Yields each name of the next object; its value must be read before the next name. null has no names."""
        for _ in self._items("{", "}"):
            name = self.value()
            if not isinstance(name, str) or not self._takes(":"):
                raise ValueError("no name")
            yield name

    def elements(self) -> Iterator[None]:
        """Yields before each element of the next array, which must then be read. null has no elements."""
        return self._items("[", "]")

    def starts_with(self, character: str) -> bool:
        """Whether the next value starts with this character."""
        return self._text.startswith(character, self._skip_space())

    @property
    def at_end(self) -> bool:
        """Whether only white space follows."""
        return self._skip_space() == len(self._text)

    def _has_many_values(self) -> bool:
        """Whether the document may contain more values than allowed in one step."""
        found = 0
        for start in range(0, len(self._text), _PIECE):
            found += sum(self._text.count(mark, start, start + _PIECE) for mark in ",[{")
            if found > _MAX_VALUES_PER_STEP:
                return True
        return False

    def _check(self, start: int) -> None:
        """Raises TooManyValues if the value at this position contains too many others."""
        values = depth = 0
        for found in _MARKS.finditer(self._text, start):
            mark = found[1]
            if mark == "]" or mark == "}":
                depth -= 1
                if depth == 0:
                    return
            elif mark:
                values += 1
                depth += mark != ","
                if values > _MAX_VALUES_PER_STEP:
                    raise TooManyValues(_MAX_VALUES_PER_STEP)

    def _items(self, start: str, stop: str) -> Iterator[None]:
        if self.starts_with("n") and self.value() is None:
            return
        if not self._takes(start):
            raise ValueError(f"no {start}")
        if self._takes(stop):
            return
        yield None
        while not self._takes(stop):
            if not self._takes(","):
                raise ValueError("no comma")
            yield None

    def _takes(self, character: str) -> bool:
        taken = self.starts_with(character)
        self._at += taken
        return taken

    def _skip_space(self) -> int:
        """Skips white space and returns the new position."""
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at
