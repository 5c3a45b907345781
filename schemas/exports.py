"""Exports."""

from datetime import date
from typing import NamedTuple


class CostKey(NamedTuple):
    """Where in the daily costs a page ends: a day, and a project by its key."""

    date: date
    project: str
    provider: str
    model: str
