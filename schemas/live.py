"""Live updates: the stream of changes in a workspace."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import Field

from models import Row

# An integer that every JSON parser reads exactly.
Version = Annotated[int, Field(ge=0, le=2**53 - 1)]
# What a dashboard shows. "events" includes totals and everything else that recording a call may change.
ChangeKind = Literal["events", "budgets", "alerts", "feedback", "projects", "prices", "settings"]


class LiveMessage(NamedTuple):
    """A message of the stream: `hello` with the current version, or `change` with the kinds of what changed."""

    event: Literal["hello", "change"]
    version: int
    changed_at: datetime
    what: list[str]


# Internal values, never sent to a caller


class Change(Row):
    """How often a workspace has changed, and for each kind the version at which it last did."""

    workspace_id: UUID
    version: int
    changed_at: datetime
    kinds: dict[str, int]
