"""Reads rows from CSV, JSON Lines or a JSON document. Keeps only one row in memory."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Format = Literal["csv", "jsonl", "json"]
Row = dict[str, Any]
# Maximum length of a row in characters; a row may contain a prompt and its answer.
LONGEST_ROW = 16 * 2**20
_PIECE = 2**16
_BLANK = " \t\r\n\ufeff"


class Unreadable(Exception):
    """The file cannot be read; the message says where and why."""


class Broken(Row):
    """A row that cannot be parsed, with the reason; reading continues with the next row."""

    def __init__(self, reason: str, content: Any) -> None:
        super().__init__(content=content)
        self.reason = reason


def format_of(path: Path) -> Format:
    """Detects the format of a file from its name, or from its first characters."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if name.endswith(".json"):
        return "json"
    if name.endswith((".csv", ".tsv")):
        return "csv"
    with opened(path) as text:
        begin = text.read(_PIECE).lstrip(_BLANK)
    if begin.startswith("["):
        return "json"
    if not begin.startswith("{"):
        return "csv"
    try:
        json.loads(begin.splitlines()[0])
    except ValueError:
        return "json"
    return "jsonl"


def opened(path: Path) -> io.TextIOWrapper:
    """Opens a file as text, decompressed if its name ends in `.gz`."""
    kind: Any = gzip.GzipFile if path.name.lower().endswith(".gz") else io.FileIO
    return io.TextIOWrapper(io.BufferedReader(kind(path, "rb")), "utf-8-sig", newline="")


def place_in(text: io.TextIOWrapper) -> int:
    """The number of bytes read from the file on disk."""
    buffer: Any = text.buffer
    file = buffer.raw
    return int(getattr(file, "fileobj", file).tell())


def rows(text: io.TextIOWrapper, form: Format, lists: frozenset[str]) -> Iterator[Row]:
    """The rows of a file. In a JSON document, the elements of its array, or of the named `lists` in its object.

    Raises Unreadable.
    """
    read = {"csv": _csv, "jsonl": _lines, "json": _document}[form]
    try:
        yield from read(text, lists)
    except UnicodeDecodeError:
        raise Unreadable("The file is not UTF-8 text.") from None
    except (OSError, EOFError) as error:
        raise Unreadable(f"The file cannot be read: {error}.") from None


def _bounded_lines(text: io.TextIOWrapper) -> Iterator[str]:
    number = 1
    while line := text.readline(LONGEST_ROW):
        if len(line) == LONGEST_ROW:
            raise Unreadable(f"Line {number} is longer than {LONGEST_ROW:,} characters.")
        yield line
        number += 1


def _csv(text: io.TextIOWrapper, _: frozenset[str]) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_ROW)
    lines = _bounded_lines(text)
    header = next(lines, "")
    delimiter = max(",;\t|", key=header.count)
    reader = csv.reader(_with(header, lines), delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
        named = [name for name in names if name]
        if len(set(named)) < len(named):
            raise Unreadable("Two columns have the same name.")
        for cells in reader:
            if len(cells) == len(names):
                yield dict(zip(names, cells, strict=True))
            elif cells:
                yield Broken(f"the row has {len(cells)} fields, but the header has {len(names)}", cells)
    except csv.Error as error:
        raise Unreadable(f"Line {reader.line_num} is not valid CSV: {error}.") from None


def _with(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def _lines(text: io.TextIOWrapper, lists: frozenset[str]) -> Iterator[Row]:
    for line in _bounded_lines(text):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            yield Broken("the line is not valid JSON", line)
            continue
        inner = next((row[name] for name in row if name in lists), None) if isinstance(row, dict) else None
        for element in inner if isinstance(inner, list) else [row]:
            yield element if isinstance(element, dict) else Broken("the row is not a JSON object", element)


def _document(text: io.TextIOWrapper, lists: frozenset[str]) -> Iterator[Row]:
    source = _Json(text)
    while (mark := source.peek()) != "":
        if mark == "[":
            yield from source.elements()
        elif mark == "{":
            yield from source.members(lists)
        else:
            raise Unreadable("The file contains neither a JSON array nor a JSON object.")


class _Json:
    """Reads JSON text value by value."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._decoder = json.JSONDecoder(parse_float=Decimal)

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if (mark := self._buffer[self._at]) not in _BLANK:
                    return mark
                self._at += 1
            if not self._more():
                return ""

    def elements(self) -> Iterator[Row]:
        """The elements of the array at the current position."""
        self._take("[")
        if self.peek() != "]":
            while True:
                row = self._value()
                yield row if isinstance(row, dict) else Broken("the row is not a JSON object", row)
                if self.peek() != ",":
                    break
                self._take(",")
        self._take("]")

    def members(self, lists: frozenset[str]) -> Iterator[Row]:
        """The elements of the named lists in the object; the object itself if it has none of them."""
        whole: Row = {}
        found = False
        self._take("{")
        if self.peek() != "}":
            while True:
                name = self._value()
                self._take(":")
                if name in lists and self.peek() == "[":
                    found = True
                    yield from self.elements()
                else:
                    whole[str(name)] = self._value()
                if self.peek() != ",":
                    break
                self._take(",")
        self._take("}")
        if not found:
            yield whole

    def _take(self, mark: str) -> None:
        if self.peek() != mark:
            raise Unreadable(f"The file is not valid JSON: {mark!r} is missing.")
        self._at += 1

    def _value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError):
                if not self._more():
                    raise Unreadable("The file is not valid JSON, or it is truncated.") from None
                continue
            # A number at the end of the buffer may continue in the next chunk.
            if end < len(self._buffer) or not self._more():
                self._at = end
                return value

    def _more(self) -> bool:
        """Reads the next chunk. Doubles its size each time, so that a long value is not parsed again too often."""
        if self._ended:
            return False
        rest = self._buffer[self._at :]
        if len(rest) > LONGEST_ROW:
            raise Unreadable(f"A value is longer than {LONGEST_ROW:,} characters.")
        piece = self._text.read(max(_PIECE, len(rest)))
        self._ended = not piece
        self._buffer, self._at = rest + piece, 0
        return bool(piece)
