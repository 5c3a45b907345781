"""Costs of a range of days."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.costs import (
    CostByProject,
    CostByProvider,
    CostByTag,
    CostSummary,
    SeriesFilter,
    Step,
    TagKeys,
    Timeseries,
    TopModels,
)


class CostQueries(Functions):
    @function
    async def cost_summary(self, workspace_id: UUID, start: datetime, end: datetime, tz: str) -> CostSummary: ...

    @function
    async def cost_by_provider(self, workspace_id: UUID, start: datetime, end: datetime) -> CostByProvider: ...

    @function
    async def cost_top_models(self, workspace_id: UUID, start: datetime, end: datetime, limit: int) -> TopModels: ...

    @function
    async def cost_by_project(self, workspace_id: UUID, start: datetime, end: datetime) -> CostByProject: ...

    @function
    async def cost_by_tag(self, workspace_id: UUID, start: datetime, end: datetime, key: str) -> CostByTag: ...

    @function
    async def cost_tag_keys(self, workspace_id: UUID, limit: int) -> TagKeys: ...

    @function
    async def cost_timeseries(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, step: Step, wanted: SeriesFilter
    ) -> Timeseries: ...
