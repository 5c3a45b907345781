"""What is printed: tables for people and JSON for programs on standard output, all else on standard error."""

import re
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from llmlab_cli import exact

_WIDE = 400
# What a terminal would obey instead of showing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console(*, stderr: bool = False) -> Console:
    """Where to print. Colours only on a terminal, and not with NO_COLOR; what a pipe gets is not cut to a width."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
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
    """Prints a table; the columns named in `right` are numbers."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(cell(value) for value in row))
    console().print(shown)


def cell(value: Any) -> str:
    """A value as it stands in a table."""
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
    """USD with every digit; what has no price is said to have none."""
    return "unpriced" if value is None else f"${Decimal(value):,f}"


def when(time: Any) -> str:
    """A time of an answer, to the second."""
    return "-" if time is None else clean(str(time))[:19].replace("T", " ")


def clean(text: str) -> str:
    """The text without what a terminal would obey."""
    return _CONTROL.sub("?", text)
