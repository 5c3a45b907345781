"""Feedback on calls."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions
from schemas.feedback import Feedback, FeedbackIn
from schemas.identities import Identity


class FeedbackQueries(Functions):
    async def feedback_set(
        self, by: Identity, feedback_id: UUID, event_id: UUID, new: FeedbackIn, now: datetime
    ) -> Feedback | None:
        """Rates an event, or changes the rating; None if the event does not exist."""
        return await self._find(
            Feedback,
            "feedback_set",
            by,
            feedback_id=feedback_id,
            event_id=event_id,
            rating=new.rating,
            comment=new.comment,
            now=now,
        )

    async def feedback_list(
        self,
        workspace_id: UUID,
        before: tuple[datetime, UUID] | None,
        limit: int,
        *,
        event_id: UUID | None = None,
        search: str | None = None,
        rating: int | None = None,
    ) -> list[Feedback]:
        before_at, before_id = before or (None, None)
        return await self._ask(
            list[Feedback],
            "feedback_list",
            workspace_id=workspace_id,
            event_id=event_id,
            search=search,
            rating=rating,
            before_at=before_at,
            before_id=before_id,
            limit=limit,
        )
