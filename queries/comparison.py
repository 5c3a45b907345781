"""Comparison of the costs of two periods."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions
from schemas.comparison import ComparedCosts


class ComparisonQueries(Functions):
    async def cost_compare(
        self,
        workspace_id: UUID,
        before: tuple[datetime, datetime],
        after: tuple[datetime, datetime],
        limit: int,
    ) -> ComparedCosts:
        """Two ranges by project and model: the `limit` most expensive pairs one by one, the rest in total."""
        return await self._ask(
            ComparedCosts,
            "cost_compare",
            workspace_id=workspace_id,
            before_start=before[0],
            before_end=before[1],
            after_start=after[0],
            after_end=after[1],
            limit=limit,
        )
