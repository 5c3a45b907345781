"""Metrics."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.metrics import Latency, MetricDays, MetricFilter, MetricsSummary, Quality


class MetricsQueries(Functions):
    @function
    async def metrics_summary(
        self, workspace_id: UUID, start: datetime, end: datetime, wanted: MetricFilter
    ) -> MetricsSummary: ...

    @function
    async def metrics_daily(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, wanted: MetricFilter
    ) -> MetricDays: ...

    @function
    async def metrics_latency(
        self, workspace_id: UUID, start: datetime, end: datetime, wanted: MetricFilter
    ) -> Latency: ...

    @function
    async def metrics_quality(
        self, workspace_id: UUID, start: datetime, end: datetime, wanted: MetricFilter
    ) -> Quality: ...
