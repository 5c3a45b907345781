"""Changes of workspaces, for live updates."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from queries.functions import Functions
from schemas.live import Change, ChangeKind


class LiveQueries(Functions):
    async def changes_note(self, changes: Iterable[tuple[UUID, ChangeKind]], now: datetime) -> list[Change]:
        """Counts the changes of workspaces, and notifies the servers that listen."""
        workspace_ids, kinds = zip(*changes, strict=True)
        return await self._ask(
            list[Change], "changes_note", workspace_ids=list(workspace_ids), kinds=list(kinds), now=now
        )

    async def changes_of(self, workspace_ids: Iterable[UUID]) -> list[Change]:
        """The number of changes of each of the workspaces that exist."""
        return await self._ask(list[Change], "changes_of", workspace_ids=list(workspace_ids))
