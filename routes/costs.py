"""What was spent, where and when."""

from typing import Annotated

from fastapi import Query

from models import CostByProject, CostByProvider, CostByTag, CostSummary, SplitBy, Step, Tag, Timeseries, TopModels
from routes.deps import Caller, Costs, Range, router

costs = router("/api/costs", "costs")


@costs.get("/summary", summary="Totals by model and by day")
async def summary(caller: Caller, wanted: Range, costs: Costs) -> CostSummary:
    return await costs.summary(caller, wanted)


@costs.get("/by-provider", summary="Totals by provider and its models")
async def by_provider(caller: Caller, wanted: Range, costs: Costs) -> CostByProvider:
    return await costs.by_provider(caller, wanted)


@costs.get("/top-models", summary="The dearest models")
async def top_models(
    caller: Caller, wanted: Range, costs: Costs, limit: Annotated[int, Query(ge=1, le=100, description="How many")] = 10
) -> TopModels:
    return await costs.top_models(caller, wanted, limit)


@costs.get("/by-project", summary="Totals by project")
async def by_project(caller: Caller, wanted: Range, costs: Costs) -> CostByProject:
    return await costs.by_project(caller, wanted)


@costs.get("/by-tag", summary="Totals by the values of one tag")
async def by_tag(
    caller: Caller, wanted: Range, costs: Costs, key: Annotated[Tag, Query(description="The tag's key")]
) -> CostByTag:
    return await costs.by_tag(caller, wanted, key)


@costs.get("/timeseries", summary="Totals by hour, day, week or month")
async def timeseries(
    caller: Caller,
    wanted: Range,
    costs: Costs,
    bucket: Annotated[Step, Query(description="Hours are those of UTC; weeks begin on Monday")] = "day",
    by: Annotated[SplitBy | None, Query(description="Split every point by this")] = None,
) -> Timeseries:
    return await costs.timeseries(caller, wanted, bucket, by)
