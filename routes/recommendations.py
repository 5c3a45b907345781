"""Recommendations: anomalies, avoidable costs and cheaper models."""

from typing import Annotated

from fastapi import Query

from routes.call import Call
from routes.deps import Days, Zone
from routes.router import Router
from schemas.anomalies import Anomalies
from schemas.recommendations import ModelSwitches, Recommendations

recommendations = Router("/api/recommendations", "recommendations")


@recommendations.get("", summary="List all recommendations")
async def recommend(call: Call, days: Days = 30, tz: Zone = "UTC") -> Recommendations:
    return await call.engines.recommendations.recommend(call.caller, days, tz)


@recommendations.get("/anomalies", summary="List anomalies in costs and errors, with their causes")
async def anomalies(
    call: Call,
    days: Days = 30,
    threshold: Annotated[float, Query(ge=1, le=5, description="Threshold in robust standard deviations")] = 2,
    tz: Zone = "UTC",
) -> Anomalies:
    return await call.engines.anomalies.anomalies(call.caller, days, threshold, tz)


@recommendations.get("/model-switching", summary="Suggest cheaper models, priced on actual usage")
async def model_switching(call: Call, days: Days = 30, tz: Zone = "UTC") -> ModelSwitches:
    return await call.engines.recommendations.model_switching(call.caller, days, tz)
