"""The terms of a workspace: what recording or estimating a call needs to know of it.

Internal: no caller receives them.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from models import Row, Time
from schemas.prices import CustomPrice
from schemas.reservations import PlannedCall
from schemas.settings import Breach, WorkspaceSettings
from schemas.usage import Price


class ProjectTerm(Row):
    """A project and the key its events are stored under. Renaming the project does not change the key."""

    id: UUID
    name: str
    key: str


class Terms(Row):
    """Projects, custom prices and settings of a workspace. `version` changes whenever one of them does."""

    version: int
    projects: list[ProjectTerm]
    prices: list[CustomPrice]
    settings: WorkspaceSettings
    # Events before this hour may have been deleted; None if none were.
    events_since: Time | None


class Estimate(NamedTuple):
    """An estimate for a planned call, under the names by which calls are recorded: its project's key (None if the
    project does not exist yet), the most it can cost, and the settings it violates.
    """

    call: PlannedCall
    project: str | None
    price: Price
    breaches: Sequence[Breach]
