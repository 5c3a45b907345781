"""Use of models, from which recommendations are computed."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.usage_history import ModelUsage


class RecommendationQueries(Functions):
    @function
    async def model_usage(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, samples: int
    ) -> ModelUsage: ...
