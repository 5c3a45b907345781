"""Live updates."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import Field

from models import Row

# Up to what every JSON parser reads exactly.
Version = Annotated[int, Field(ge=0, le=2**53 - 1)]


# Internal values, never sent to a caller


# What a dashboard shows; "events" are the totals, too, and whatever else recording a call may move.
ChangeKind = Literal["events", "budgets", "alerts", "feedback", "projects", "prices", "settings"]


Changed = Callable[[UUID, ChangeKind], None]


class Change(Row):
    """How often a workspace has changed, and by kind the version with which something of that kind last did."""

    workspace_id: UUID
    version: int
    changed_at: datetime
    kinds: dict[str, int]


class LiveMessage(NamedTuple):
    """What somebody who watches a workspace is told: `hello` with how it stands, or a `change` and of what kinds."""

    event: Literal["hello", "change"]
    version: int
    changed_at: datetime
    what: list[str]
