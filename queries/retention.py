"""Retention: deletion of old events."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.retention import Swept


class RetentionQueries(Functions):
    @function
    async def retention_due(self, now: datetime) -> list[UUID]:
        """The workspaces with events older than they want to keep."""

    @function
    async def retention_sweep(self, workspace_id: UUID, after: datetime | None, limit: int, now: datetime) -> Swept:
        """Deletes the oldest expired events after `after`. Without any, sets up to when the next call deletes."""
