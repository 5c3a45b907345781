"""Exports. Internal: no caller receives these."""

from datetime import date, datetime
from typing import NamedTuple


class CostKey(NamedTuple):
    """The last row of a page of daily costs. `project` is the project's key."""

    date: date
    project: str
    provider: str
    model: str


class SpendKey(NamedTuple):
    """The last row of a page of totals by bucket. `project` is the project's key."""

    bucket: datetime
    project: str
    provider: str
    model: str
