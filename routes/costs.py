"""What was spent, where and when."""

from typing import Annotated

from fastapi import Query

from models import Tag
from routes.call import Call
from routes.deps import Compared, Range, Series, Zone
from routes.router import Router
from schemas.comparison import CostComparison
from schemas.costs import CostByProject, CostByProvider, CostByTag, CostSummary, Step, TagKeys, Timeseries, TopModels
from schemas.forecast import Forecast, ForecastPeriod

costs = Router("/api/costs", "costs")


@costs.get("/summary", summary="Totals by model and by day")
async def summary(call: Call, wanted: Range) -> CostSummary:
    return await call.engines.costs.summary(call.caller, wanted)


@costs.get("/by-provider", summary="Totals by provider and its models")
async def by_provider(call: Call, wanted: Range) -> CostByProvider:
    return await call.engines.costs.by_provider(call.caller, wanted)


@costs.get("/top-models", summary="The dearest models")
async def top_models(
    call: Call, wanted: Range, limit: Annotated[int, Query(ge=1, le=100, description="How many")] = 10
) -> TopModels:
    return await call.engines.costs.top_models(call.caller, wanted, limit)


@costs.get("/by-project", summary="Totals by project")
async def by_project(call: Call, wanted: Range) -> CostByProject:
    return await call.engines.costs.by_project(call.caller, wanted)


@costs.get("/by-tag", summary="Totals by the values of one tag")
async def by_tag(call: Call, wanted: Range, key: Annotated[Tag, Query(description="The tag's key")]) -> CostByTag:
    return await call.engines.costs.by_tag(call.caller, wanted, key)


@costs.get("/tag-keys", summary="By which tags costs can be split")
async def tag_keys(call: Call) -> TagKeys:
    return await call.engines.costs.tag_keys(call.caller)


@costs.get("/timeseries", summary="Totals by hour, day, week or month")
async def timeseries(
    call: Call,
    wanted: Range,
    series: Series,
    bucket: Annotated[Step, Query(description="Hours are those of UTC; weeks begin on Monday")] = "day",
) -> Timeseries:
    return await call.engines.costs.timeseries(call.caller, wanted, bucket, series)


@costs.get("/compare", summary="Why two periods cost what they did: the difference by its causes")
async def compare(
    call: Call,
    wanted: Compared,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many of the largest changes")] = 20,
) -> CostComparison:
    return await call.engines.costs.compare(call.caller, wanted, limit)


@costs.get("/forecast", summary="What will be spent, with how sure that is, and which budgets will be exceeded")
async def forecast(
    call: Call,
    horizon: Annotated[int, Query(ge=1, le=90, description="How many days, today included")] = 30,
    period: Annotated[ForecastPeriod, Query(description="The calendar period whose total is forecast")] = "month",
    tz: Zone = "UTC",
) -> Forecast:
    return await call.engines.costs.forecast(call.caller, horizon, period, tz)
