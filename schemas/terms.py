"""Terms of a workspace: what recording and estimating a call needs."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from models import Row, Time
from schemas.prices import OwnPrice
from schemas.settings import Breach, WorkspaceSettings
from schemas.usage import Price


class ProjectTerm(Row):
    """How the events of a project are filed: under its key, whatever it is called today."""

    id: UUID
    name: str
    key: str


class Terms(Row):
    """What recording an event needs to know of its workspace. `version` changes with it."""

    version: int
    projects: list[ProjectTerm]
    prices: list[OwnPrice]
    settings: WorkspaceSettings
    # The hour before which events may have been deleted; None where none were.
    events_since: Time | None


class Estimate(NamedTuple):
    """What is known of a planned call: its project's key (None for one that is not there yet), the most it can cost,
    and the rules it breaks.
    """

    project: str | None
    price: Price
    breaches: Sequence[Breach]
