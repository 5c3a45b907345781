"""Projects, which group events by purpose."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from routes.call import Call
from routes.deps import Cursor, Limit, Range
from routes.router import Router
from routes.schema import problems
from schemas.projects import Project, ProjectChange, ProjectIn, ProjectPage

projects = Router("/api/projects", "projects")


@projects.get("", summary="List projects by name, with their cost")
async def listing(
    call: Call,
    wanted: Range,
    archived: Annotated[bool, Query(description="Include archived projects")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ProjectPage:
    return await call.engines.projects.projects(call.caller, wanted, archived=archived, cursor=cursor, limit=limit)


@projects.post("", needs="admin", status_code=201, responses=problems(409), summary="Create a project")
async def create(call: Call, new: ProjectIn) -> Project:
    return await call.engines.projects.create(call.caller, new.name)


@projects.patch(
    "/{project_id}", needs="admin", responses=problems(404, 409), summary="Rename, archive or restore a project"
)
async def change(
    call: Call, project_id: Annotated[UUID, Path(description="A project's id")], changes: ProjectChange
) -> Project:
    return await call.engines.projects.change(call.caller, project_id, changes)
