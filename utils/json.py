"""JSON in and out without losing a digit."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import jiter
import orjson
from pydantic import BaseModel

# As many as a thousand events need, and a text of a megabyte can hold ten times as many: whoever reads those halts
# everybody else for a quarter of a second. Of a value that JsonReader reads in one go, fewer are enough.
_MOST_VALUES = 65_536
_MOST_IN_ONE_GO = 20_000
_PIECE = 65_536
# What stands before a mark that is not in a string, and the mark: none at the end.
_MARKS = re.compile(r'(?:[^,\[\]{}"]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+([,\[\]{}]?)', re.DOTALL)
_BLANKS = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_float=Decimal)


class TooManyValues(json.JSONDecodeError):
    """Reading it would take too long."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it holds more than {most} values", "", 0)


def loads(data: bytes) -> Any:
    """Strict JSON to Python; fractions become Decimal, exactly as written.

    Raises json.JSONDecodeError for anything else than JSON: NaN, lone surrogates, repeated keys, nesting over 200; and
    TooManyValues for more than 65,536 values.
    """
    if len(data) > _MOST_VALUES and _marks(data) > _MOST_VALUES and _holds_too_many(data):
        raise TooManyValues(_MOST_VALUES)
    try:
        return jiter.from_json(data, allow_inf_nan=False, float_mode="decimal", catch_duplicate_keys=True)
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None


def _marks(data: bytes) -> int:
    """How many values there may be: each but the first follows one of these."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _holds_too_many(data: bytes) -> bool:
    """The same for sure: what stands in strings does not count."""
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")
    # A value has at most a name and itself to quote.
    return plain.count(b'"') > 4 * _MOST_VALUES or _marks(b"".join(plain.split(b'"')[::2])) > _MOST_VALUES


def dumps(value: Any) -> bytes:
    """JSON of plain values, pydantic models, UUIDs and times (RFC 3339); a Decimal is a plain number, every digit."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z)


def text(value: Mapping[str, Any] | None) -> str | None:
    """A JSON object as text, which no REST layer on the way encodes a second time; None if it is empty."""
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
    """Reads JSON value by value, so that whoever reads a large text can let others have their turn in between.

    All of its methods raise ValueError for what is not JSON, or RecursionError. Fractions become Decimal.
    """

    def __init__(self, data: bytes) -> None:
        self._text = data.decode()
        self._at = 0
        self._may_halt = self._holds_many()

    def value(self) -> Any:
        """The value that comes next. Raises TooManyValues for one that holds more than 20,000 others."""
        start = self._blanks()
        if self._may_halt and self._text.startswith(("[", "{"), start):
            self._check(start)
        value, self._at = _DECODER.raw_decode(self._text, start)
        return value

    def members(self) -> Iterator[str]:
        """The names in the object that comes next; after each of them its value must be read. null has none."""
        for _ in self._items("{", "}"):
            name = self.value()
            if not isinstance(name, str) or not self._takes(":"):
                raise ValueError("no name")
            yield name

    def elements(self) -> Iterator[None]:
        """Yields before each element of the array that comes next, which must be read then. null has none."""
        return self._items("[", "]")

    def starts_with(self, character: str) -> bool:
        """Whether the next value starts so."""
        return self._text.startswith(character, self._blanks())

    @property
    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self._blanks() == len(self._text)

    def _holds_many(self) -> bool:
        """Whether there are so many values that one of them may hold too many of the others."""
        found = 0
        for start in range(0, len(self._text), _PIECE):
            found += sum(self._text.count(mark, start, start + _PIECE) for mark in ",[{")
            if found > _MOST_IN_ONE_GO:
                return True
        return False

    def _check(self, start: int) -> None:
        """Raises TooManyValues if what starts here holds too many values."""
        held = depth = 0
        for found in _MARKS.finditer(self._text, start):
            mark = found[1]
            if mark == "]" or mark == "}":
                depth -= 1
                if depth == 0:
                    return
            elif mark:
                held += 1
                depth += mark != ","
                if held > _MOST_IN_ONE_GO:
                    raise TooManyValues(_MOST_IN_ONE_GO)

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

    def _blanks(self) -> int:
        """Passes over what stands between values."""
        match = _BLANKS.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at
