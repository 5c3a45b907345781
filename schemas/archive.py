"""Archives of events and totals. Internal: no caller receives these."""

from datetime import datetime
from typing import Any

from models import Row


class ArchivedSpend(Row):
    """Hourly totals of one UTC day."""

    day: datetime
    rows: list[dict[str, Any]]
