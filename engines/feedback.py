"""The feedback engine: ratings of answers by people and applications."""

from database import Database
from engines.changes import Changes
from schemas.feedback import Feedback, FeedbackIn, FeedbackPage
from schemas.identities import Identity
from utils.cursors import page_of, read_cursor, write_cursor
from utils.errors import NotFound
from utils.ids import event_uuid, uuid7
from utils.time import now


class FeedbackEngine:
    """Keeps the ratings of calls: one of each call by each person or API key."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    async def give(self, identity: Identity, new: FeedbackIn) -> Feedback:
        """Rates a call, by our id or its sender's; replaces the caller's earlier rating.

        Raises NotFound for a call that is not in the workspace.
        """
        at = now()
        given = await self._database.feedback_set(identity, uuid7(at), event_uuid(new.event_id), new, at)
        if given is None:
            raise NotFound("Event not found")
        self._changes.note(identity.workspace_id, "feedback")
        return given

    async def feedback(
        self,
        identity: Identity,
        event_id: str | None,
        search: str | None,
        rating: int | None,
        cursor: str | None,
        limit: int,
    ) -> FeedbackPage:
        """A page of ratings, newest first; `event_id` is our id or the sender's.

        Raises Invalid for a cursor that no answer contained.
        """
        before = None if cursor is None else read_cursor(cursor)
        found = await self._database.feedback_list(
            identity.workspace_id,
            before,
            limit + 1,
            event_id=None if event_id is None else event_uuid(event_id),
            search=search,
            rating=rating,
        )
        page, next_cursor = page_of(found, limit, lambda rating: write_cursor(rating.created_at, rating.id))
        return FeedbackPage(count=len(page), feedback=page, next_cursor=next_cursor)
