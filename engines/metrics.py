"""The metrics engine: tokens, errors and latency of calls from the rollups, and the cost of good answers."""

from database import Database
from schemas.identities import Identity
from schemas.metrics import (
    CostByDay,
    ErrorRates,
    Latency,
    MetricDays,
    MetricFilter,
    MetricsSummary,
    Quality,
    TokenUsage,
)
from utils.time import now


class MetricsEngine:
    """Answers for a range of days, optionally of one project, provider or model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def summary(self, identity: Identity, wanted: MetricFilter) -> MetricsSummary:
        """Calls, tokens, cost, errors and the average latency."""
        start, end = wanted.range.resolve(now())
        return await self._database.metrics_summary(identity.workspace_id, start, end, wanted)

    async def token_usage(self, identity: Identity, wanted: MetricFilter) -> TokenUsage:
        """Tokens by day."""
        return TokenUsage.model_validate(await self._days(identity, wanted), from_attributes=True)

    async def error_rate(self, identity: Identity, wanted: MetricFilter) -> ErrorRates:
        """Errors and timeouts by day."""
        return ErrorRates.model_validate(await self._days(identity, wanted), from_attributes=True)

    async def cost(self, identity: Identity, wanted: MetricFilter) -> CostByDay:
        """Cost by day."""
        return CostByDay.model_validate(await self._days(identity, wanted), from_attributes=True)

    async def latency(self, identity: Identity, wanted: MetricFilter) -> Latency:
        """Latency of calls."""
        start, end = wanted.range.resolve(now())
        return await self._database.metrics_latency(identity.workspace_id, start, end, wanted)

    async def quality(self, identity: Identity, wanted: MetricFilter) -> Quality:
        """The cost of good answers."""
        start, end = wanted.range.resolve(now())
        return await self._database.metrics_quality(identity.workspace_id, start, end, wanted)

    async def _days(self, identity: Identity, wanted: MetricFilter) -> MetricDays:
        start, end = wanted.range.resolve(now())
        return await self._database.metrics_daily(identity.workspace_id, start, end, wanted.range.tz, wanted)
