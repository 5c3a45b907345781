"""Pages of lists: the rows of one, and the cursor that names where the next one begins."""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson

from utils.errors import Invalid

Row = TypeVar("Row")


def page_of(found: Sequence[Row], limit: int, cursor: Callable[[Row], str]) -> tuple[list[Row], str | None]:
    """The page of rows, and the cursor of the next page, which exists if one more row than `limit` was found."""
    page = list(found[:limit])
    return page, cursor(page[-1]) if len(found) > limit else None


def write_cursor(at: datetime, id: UUID) -> str:
    """The cursor of the page after this row, in a list with the newest first."""
    return _write([at, id])


def write_name_cursor(name: str) -> str:
    """The cursor of the page after this name."""
    return _write([name])


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The time and id in a cursor. Raises Invalid if it is malformed."""
    try:
        at, id = _read(cursor)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(id)
    except (ValueError, TypeError, AttributeError):
        raise _invalid_cursor() from None


def read_name_cursor(cursor: str) -> str:
    """The name in a cursor. Raises Invalid if it is malformed."""
    try:
        (name,) = _read(cursor)
    except (ValueError, TypeError):
        raise _invalid_cursor() from None
    if not isinstance(name, str) or "\0" in name:
        raise _invalid_cursor()
    return name


def _write(position: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def _read(cursor: str) -> Any:
    return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def _invalid_cursor() -> Invalid:
    return Invalid("cursor must be the next_cursor of an earlier response", loc=("query", "cursor"))
