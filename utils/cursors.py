"""Where a page of a newest-first list ends, in a form that callers hand back and need not understand."""

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from utils.errors import Invalid


def write_cursor(at: datetime, id: UUID) -> str:
    """The cursor of the page that begins behind this row."""
    return base64.urlsafe_b64encode(orjson.dumps([at, id])).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The row a cursor stands for. Raises Invalid for one we did not hand out."""
    try:
        position: Any = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at, id = position
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(id)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise Invalid("cursor must be the next_cursor of an earlier answer", loc=("query", "cursor")) from None
