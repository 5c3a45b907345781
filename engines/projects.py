"""Projects: what events are filed under."""

from collections.abc import Callable
from uuid import UUID

from database import Database
from models import DateRange
from schemas.identities import Identity
from schemas.live import Changed
from schemas.projects import Project, ProjectChange, ProjectPage
from schemas.ranges import CostRange
from utils.cursors import page, read_name_cursor, write_name_cursor
from utils.errors import Conflict, NotFound
from utils.time import now

_LAST_30_DAYS = CostRange(30, None, None, "UTC")


class ProjectEngine:
    """Keeps projects. `terms_changed` and `changed` are called whenever one is made, renamed or archived."""

    def __init__(self, database: Database, terms_changed: Callable[[], None], changed: Changed) -> None:
        self._database = database
        self._terms_changed = terms_changed
        self._changed = changed

    async def projects(
        self, identity: Identity, wanted: CostRange, *, archived: bool, cursor: str | None, limit: int
    ) -> ProjectPage:
        """Projects by name with what each cost in the range."""
        start, end = wanted.resolve(now())
        after = None if cursor is None else read_name_cursor(cursor)
        found = await self._database.project_list(
            identity.workspace_id, start, end, archived=archived, after=after, limit=limit + 1
        )
        rows, next_cursor = page(found, limit, lambda last: write_name_cursor(last.name))
        return ProjectPage(date_range=DateRange(start=start, end=end), projects=rows, next_cursor=next_cursor)

    async def create(self, identity: Identity, name: str) -> Project:
        """A new project. Raises Conflict when there is one of that name."""
        made = await self._database.project_create(identity, [name], now())
        if not made:
            raise Conflict("Another project has this name")
        self._terms_changed()
        self._changed(identity.workspace_id, "projects")
        return await self._one(identity, made[0])

    async def change(self, identity: Identity, project_id: UUID, change: ProjectChange) -> Project:
        """Renames, archives or brings back a project. Raises NotFound, and Conflict for a name that is taken."""
        await self._database.project_update(identity, project_id, change.name, change.archived, now())
        self._terms_changed()
        self._changed(identity.workspace_id, "projects")
        return await self._one(identity, project_id)

    async def _one(self, identity: Identity, project_id: UUID) -> Project:
        start, end = _LAST_30_DAYS.resolve(now())
        for project in await self._database.project_list(identity.workspace_id, start, end, project_id=project_id):
            return project
        raise NotFound("Project not found")
