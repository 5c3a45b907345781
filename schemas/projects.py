"""Projects, which group events by purpose."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field, StrictBool

from models import Answer, DateRange, Name, Request, Usd


class ProjectIn(Request):
    """A new project."""

    name: Name = Field(examples=["search"])


class ProjectChange(Request):
    """Changes to a project, which keeps its events."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "discovery"}, {"archived": True}]})

    name: Name | None = None
    archived: StrictBool | None = Field(None, description="An archived project is not listed, but still accepts events")


class Project(Answer):
    """A project and its cost in the requested range, by default the last 30 days."""

    id: UUID
    name: str
    archived: bool
    created_at: datetime
    total_cost: Usd
    call_count: int
    unpriced_calls: int = Field(description="Calls without a known price; not part of total_cost")


class ProjectPage(Answer):
    """A page of projects, by name."""

    date_range: DateRange
    projects: list[Project]
    next_cursor: str | None
