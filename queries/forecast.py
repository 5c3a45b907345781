"""Forecasts."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.forecast import StoredSpend


class ForecastQueries(Functions):
    @function
    async def spend_forecast(self, workspace_id: UUID, tz: str, days: int, limit: int, now: datetime) -> StoredSpend:
        """The costs of the last `days` whole days, and of up to `limit` budgets, each in its own time zone."""
