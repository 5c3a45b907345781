"""Rollups: hourly totals of the events."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function


class RollupQueries(Functions):
    @function
    async def rollup_differences(self, workspace_id: UUID, since: datetime) -> int:
        """The number of rollup rows that differ from a recount of the events."""

    @function
    async def rebuild_rollups(self, workspace_id: UUID, since: datetime) -> None: ...
