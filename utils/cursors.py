"""Pages of a list, and where one ends in a form that callers hand back and need not understand."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson

from utils.errors import Invalid

T = TypeVar("T")


def page(found: list[T], limit: int, cursor: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The rows of a page, and the cursor of the next one if there is one.

    `found` has one row more than the limit if there are more; `cursor` writes the cursor that a row ends a page with.
    """
    rows = found[:limit]
    return rows, cursor(rows[-1]) if len(found) > limit else None


def write_cursor(at: datetime, id: UUID) -> str:
    """The cursor of the page that begins behind this row of a newest-first list."""
    return _write([at, id])


def write_name_cursor(name: str) -> str:
    """The cursor of the page that begins behind this name."""
    return _write([name])


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The row a cursor stands for. Raises Invalid for one we did not hand out."""
    try:
        at, id = _read(cursor)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(id)
    except (ValueError, TypeError, AttributeError):
        raise _not_ours() from None


def read_name_cursor(cursor: str) -> str:
    """The name a cursor stands for. Raises Invalid for one we did not hand out."""
    try:
        (name,) = _read(cursor)
    except (ValueError, TypeError):
        raise _not_ours() from None
    if not isinstance(name, str) or "\0" in name:
        raise _not_ours()
    return name


def _write(position: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def _read(cursor: str) -> Any:
    return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def _not_ours() -> Invalid:
    return Invalid("cursor must be the next_cursor of an earlier answer", loc=("query", "cursor"))
