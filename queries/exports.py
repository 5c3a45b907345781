"""Exports of events and costs, and the archive of a workspace."""

from datetime import datetime
from typing import Any
from uuid import UUID

from queries.functions import Functions, function
from schemas.events import EventFilter
from schemas.exports import CostKey, SpendKey


class ExportQueries(Functions):
    @function
    async def export_workspace(self, workspace_id: UUID, now: datetime) -> dict[str, list[Any]]: ...

    async def export_spend(self, workspace_id: UUID, after: SpendKey | None, limit: int) -> list[dict[str, Any]]:
        """The first totals by bucket after a position."""
        return await self._ask(
            list[dict[str, Any]],
            "export_spend",
            workspace_id=workspace_id,
            after_bucket=after.bucket if after else None,
            after_project=after.project if after else None,
            after_provider=after.provider if after else None,
            after_model=after.model if after else None,
            limit=limit,
        )

    @function
    async def export_events(self, workspace_id: UUID, wanted: EventFilter) -> str | None:
        """The newest events by columns, as unparsed JSON; None if there are none."""

    async def export_costs(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, after: CostKey | None, limit: int
    ) -> str | None:
        """Costs of the first day after a position that has any, in the form of export_events."""
        return await self._find(
            str,
            "export_costs",
            workspace_id=workspace_id,
            start=start,
            end=end,
            tz=tz,
            after_date=after.date if after else None,
            after_project=after.project if after else None,
            after_provider=after.provider if after else None,
            after_model=after.model if after else None,
            limit=limit,
        )
