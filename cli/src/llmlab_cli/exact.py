"""JSON that keeps every digit: decimal numbers are read as Decimal and written unchanged."""

import json
from decimal import Decimal
from typing import Any


def loads(text: str | bytes) -> Any:
    """Parses JSON. Raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def dumps(value: Any, indent: int | None = None, depth: int = 0) -> str:
    """The value as JSON; with an indent, one item per line."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        items = [f"{json.dumps(str(key))}: {dumps(inner, indent, depth + 1)}" for key, inner in value.items()]
        return _within("{", items, "}", indent, depth)
    if isinstance(value, (list, tuple)):
        return _within("[", [dumps(inner, indent, depth + 1) for inner in value], "]", indent, depth)
    return json.dumps(value)


def _within(opening: str, items: list[str], closing: str, indent: int | None, depth: int) -> str:
    if indent is None or not items:
        return f"{opening}{', '.join(items)}{closing}"
    margin = "\n" + " " * indent * depth
    inner = margin + " " * indent
    return f"{opening}{inner}{f',{inner}'.join(items)}{margin}{closing}"
