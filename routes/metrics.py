"""Metrics: tokens, latency, errors, cost and quality."""

from routes.call import Call
from routes.deps import Measured
from routes.router import Router
from schemas.metrics import CostByDay, ErrorRates, Latency, MetricsSummary, Quality, TokenUsage

metrics = Router("/api/metrics", "metrics")


@metrics.get("/summary", summary="Calls, tokens, cost, errors and average latency")
async def summary(call: Call, wanted: Measured) -> MetricsSummary:
    return await call.engines.metrics.summary(call.caller, wanted)


@metrics.get("/token-usage", summary="Tokens by day")
async def token_usage(call: Call, wanted: Measured) -> TokenUsage:
    return await call.engines.metrics.token_usage(call.caller, wanted)


@metrics.get("/latency", summary="Latency: five ranges, and percentiles by model")
async def latency(call: Call, wanted: Measured) -> Latency:
    return await call.engines.metrics.latency(call.caller, wanted)


@metrics.get("/error-rate", summary="Errors and timeouts by day")
async def error_rate(call: Call, wanted: Measured) -> ErrorRates:
    return await call.engines.metrics.error_rate(call.caller, wanted)


@metrics.get("/cost", summary="Cost by day")
async def cost(call: Call, wanted: Measured) -> CostByDay:
    return await call.engines.metrics.cost(call.caller, wanted)


@metrics.get("/quality", summary="Cost of a good answer by model")
async def quality(call: Call, wanted: Measured) -> Quality:
    return await call.engines.metrics.quality(call.caller, wanted)
