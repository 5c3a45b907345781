"""Printing: tables and JSON to standard output, notes to standard error."""

import re
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from llmlab_cli import exact

# Width in columns when the output is not a terminal, so that lines are not wrapped.
_PIPE_WIDTH = 400
# Characters that control a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console(*, stderr: bool = False) -> Console:
    """The console for a stream. Uses colors only on a terminal and without NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=not stream.isatty())


def print_json(value: Any) -> None:
    """Prints the value as JSON with every digit."""
    sys.stdout.write(exact.dumps(value, indent=2) + "\n")


def say(text: str, style: str | None = None) -> None:
    """Prints a line to standard output."""
    console().print(clean(text), style=style)


def note(text: str) -> None:
    """Prints a line to standard error."""
    console(stderr=True).print(clean(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Prints a table; the columns named in `right` are aligned right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(cell(value) for value in row))
    console().print(grid)


def cell(value: Any) -> str:
    """A value formatted for a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(clean(str(item)) for item in value)
    return clean(str(value))


def usd(value: Any) -> str:
    """An amount in USD with every digit, such as `$1.07`; `unpriced` for None."""
    return "unpriced" if value is None else f"${Decimal(value):,f}"


def when(time: Any) -> str:
    """A timestamp of an answer in UTC, to the second."""
    return "-" if time is None else clean(str(time))[:19].replace("T", " ")


def plural(number: int, noun: str) -> str:
    """A count with its noun, such as `1 call` or `1,200 calls`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def clean(text: str) -> str:
    """The text with terminal control characters replaced by `?`."""
    return _CONTROL.sub("?", text)
