"""Use over time, in which anomalies are found."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.usage_history import UsageHistory


class AnomalyQueries(Functions):
    @function
    async def spend_series(
        self, workspace_id: UUID, start: datetime, hours_from: datetime, end: datetime, tz: str, limit: int
    ) -> UsageHistory:
        """Use of the `limit` most expensive pairs of project and model: by hour, and before `hours_from` by day."""
