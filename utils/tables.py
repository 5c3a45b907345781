"""Streams tables as CSV, JSON lines or Parquet, in constant memory."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import orjson

from utils.extras import require
from utils.sinks import Sink

Kind = Literal["text", "boolean", "integer", "float", "decimal", "time", "date", "json"]
Format = Literal["csv", "jsonl", "parquet"]
MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
# Some rows, as a list of values for each column. Decimals (with all digits), times and dates (RFC 3339) and JSON are
# text; None is null.
Page = Mapping[str, Any]

# First characters by which spreadsheets recognise a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# A list price has up to 17 decimals, a percentage of it 8 more.
DECIMAL_PRECISION, DECIMAL_SCALE = 38, 25
# Maximum number of rows, and maximum memory, of a row group.
_ROWS_IN_A_GROUP = 5_000
_BYTES_IN_A_GROUP = 8_000_000
_THREAD = ThreadPoolExecutor(1, "tables")
T = TypeVar("T")


class Column(NamedTuple):
    """The name of a column and the kind of its values."""

    name: str
    kind: Kind


class Writer(Protocol):
    """Writes a table page by page."""

    def write(self, page: Page) -> bytes:
        """Adds rows; returns the bytes of the file that are ready."""

    def end(self) -> bytes:
        """The rest of the file."""


async def aside(function: Callable[..., T], *arguments: Any) -> T:
    """Runs a function that would block the event loop in the thread that all tables share.

    A second thread would take more memory and not be faster.
    """
    return await asyncio.get_running_loop().run_in_executor(_THREAD, function, *arguments)


def table(columns: Sequence[Column], format: Format, pages: AsyncIterator[Page]) -> AsyncIterator[bytes]:
    """The file in pieces. Raises NotInstalled immediately if the server does not support Parquet."""
    if format == "parquet":
        require("parquet", "Parquet")
    return _table(columns, format, pages)


async def _table(columns: Sequence[Column], format: Format, pages: AsyncIterator[Page]) -> AsyncIterator[bytes]:
    writer: Writer = await aside(_WRITERS[format], columns)
    async for page in pages:
        if piece := await aside(writer.write, page):
            yield piece
    yield await aside(writer.end)


class CsvWriter:
    """CSV (RFC 4180) with a header; null is an empty field.

    Text that a spreadsheet would read as a formula gets an apostrophe in front.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text)
        self._csv.writerow(column.name for column in columns)

    def write(self, page: Page) -> bytes:
        self._csv.writerows(zip(*(_cells(column, page[column.name]) for column in self._columns), strict=True))
        return self._taken()

    def end(self) -> bytes:
        return self._taken()

    def _taken(self) -> bytes:
        ready = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return ready


def _cells(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    if column.kind == "boolean":
        return ["true" if value else "false" for value in values]
    if column.kind != "text":
        return values
    return [f"'{value}" if value is not None and value.startswith(_FORMULA) else value for value in values]


class JsonLinesWriter:
    """One JSON object per line, with exact numbers."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._names = [column.name for column in columns]

    def write(self, page: Page) -> bytes:
        rows = zip(*(_json_values(column, page[column.name]) for column in self._columns), strict=True)
        return b"".join(
            orjson.dumps(dict(zip(self._names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE) for row in rows
        )

    def end(self) -> bytes:
        return b""


def _json_values(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    if column.kind not in ("decimal", "json"):
        return values
    return [None if value is None else orjson.Fragment(value) for value in values]


class ParquetWriter:
    """Parquet, one row group at a time. Decimals are decimal128(38, 25), times are UTC microseconds, JSON is text.

    A decimal with more digits raises an error, and is never rounded.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        # Imported on first use, because it takes 40 MB of memory.
        import pyarrow
        import pyarrow.parquet

        self._arrow = pyarrow
        self._columns = columns
        types = {
            "text": pyarrow.string(),
            "boolean": pyarrow.bool_(),
            "integer": pyarrow.int64(),
            "float": pyarrow.float64(),
            "decimal": pyarrow.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
            "time": pyarrow.timestamp("us", "UTC"),
            "date": pyarrow.date32(),
            "json": pyarrow.string(),
        }
        self._schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
        self._sink = Sink()
        self._file = pyarrow.parquet.ParquetWriter(self._sink, self._schema)
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def write(self, page: Page) -> bytes:
        batch = self._arrow.RecordBatch.from_arrays(
            [
                self._arrow.array(_parquet_values(column, page[column.name]), field.type)
                for column, field in zip(self._columns, self._schema, strict=True)
            ],
            schema=self._schema,
        )
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _ROWS_IN_A_GROUP or self._bytes >= _BYTES_IN_A_GROUP:
            self._write_group()
        return self._sink.taken()

    def end(self) -> bytes:
        if self._batches:
            self._write_group()
        self._file.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        self._file.write_table(self._arrow.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches = []
        self._rows = self._bytes = 0


# Parsers of text by kind. Arrow could parse text itself, but would load 12 MB for that.
_READ: Mapping[Kind, Callable[[str], Any]] = {
    "decimal": Decimal,
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
}


def _parquet_values(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    read = _READ.get(column.kind)
    return values if read is None else [None if value is None else read(value) for value in values]


_WRITERS: Mapping[Format, type[CsvWriter] | type[JsonLinesWriter] | type[ParquetWriter]] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}
