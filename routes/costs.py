"""Costs: totals, time series, comparison and forecast."""

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


@costs.get("/summary", summary="Cost by model and day")
async def summary(call: Call, wanted: Range) -> CostSummary:
    return await call.engines.costs.summary(call.caller, wanted)


@costs.get("/by-provider", summary="Cost by provider and model")
async def by_provider(call: Call, wanted: Range) -> CostByProvider:
    return await call.engines.costs.by_provider(call.caller, wanted)


@costs.get("/top-models", summary="List the most expensive models")
async def top_models(
    call: Call, wanted: Range, limit: Annotated[int, Query(ge=1, le=100, description="Maximum number of models")] = 10
) -> TopModels:
    return await call.engines.costs.top_models(call.caller, wanted, limit)


@costs.get("/by-project", summary="Cost by project")
async def by_project(call: Call, wanted: Range) -> CostByProject:
    return await call.engines.costs.by_project(call.caller, wanted)


@costs.get("/by-tag", summary="Cost by value of a tag")
async def by_tag(call: Call, wanted: Range, key: Annotated[Tag, Query(description="Tag key")]) -> CostByTag:
    return await call.engines.costs.by_tag(call.caller, wanted, key)


@costs.get("/tag-keys", summary="List the keys of tags")
async def tag_keys(call: Call) -> TagKeys:
    return await call.engines.costs.tag_keys(call.caller)


@costs.get("/timeseries", summary="Cost by hour, day, week or month")
async def timeseries(
    call: Call,
    wanted: Range,
    series: Series,
    bucket: Annotated[Step, Query(description="Step of the series. Hours are in UTC; weeks begin on Monday")] = "day",
) -> Timeseries:
    return await call.engines.costs.timeseries(call.caller, wanted, bucket, series)


@costs.get("/compare", summary="Compare two periods and explain the difference by its causes")
async def compare(
    call: Call,
    wanted: Compared,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="Maximum number of projects and models, largest change first")
    ] = 20,
) -> CostComparison:
    return await call.engines.costs.compare(call.caller, wanted, limit)


@costs.get("/forecast", summary="Cost forecast with 80% and 95% intervals, and budgets at risk")
async def forecast(
    call: Call,
    horizon: Annotated[int, Query(ge=1, le=90, description="Number of days to forecast, today included")] = 30,
    period: Annotated[ForecastPeriod, Query(description="Calendar period to forecast the total of")] = "month",
    tz: Zone = "UTC",
) -> Forecast:
    return await call.engines.costs.forecast(call.caller, horizon, period, tz)
