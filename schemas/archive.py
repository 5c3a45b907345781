"""Archived totals."""

from datetime import datetime
from typing import Any

from models import Row


class ArchivedSpend(Row):
    """The totals by hour of one UTC day."""

    day: datetime
    rows: list[dict[str, Any]]
