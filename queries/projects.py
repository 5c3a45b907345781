"""Projects."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.identities import Identity
from schemas.projects import Project


class ProjectQueries(Functions):
    @function
    async def project_create(self, by: Identity, names: Sequence[str], now: datetime) -> list[UUID]:
        """Creates those of the projects that do not exist; returns their ids."""

    @function
    async def project_list(
        self,
        workspace_id: UUID,
        start: datetime,
        end: datetime,
        *,
        project_id: UUID | None = None,
        archived: bool = False,
        after: str | None = None,
        limit: int = 1,
    ) -> list[Project]: ...

    @function
    async def project_update(
        self, by: Identity, project_id: UUID, name: str | None, archived: bool | None, now: datetime
    ) -> None: ...
