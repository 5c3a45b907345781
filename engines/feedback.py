"""What people and applications think of the answers they got."""

from database import Database
from schemas.feedback import Feedback, FeedbackIn, FeedbackPage
from schemas.identities import Identity
from schemas.live import Changed
from utils.cursors import page, read_cursor, write_cursor
from utils.errors import NotFound
from utils.ids import event_uuid, uuid7
from utils.time import now


class FeedbackEngine:
    """Keeps the ratings of calls: one of each call by each person or API key. `changed` is called with each."""

    def __init__(self, database: Database, changed: Changed) -> None:
        self._database = database
        self._changed = changed

    async def give(self, identity: Identity, new: FeedbackIn) -> Feedback:
        """Rates a call, by our id or its sender's; takes the place of what the caller said of it before.

        Raises NotFound for a call the workspace does not have.
        """
        at = now()
        given = await self._database.feedback_set(identity, uuid7(at), event_uuid(new.event_id), new, at)
        if given is None:
            raise NotFound("Event not found")
        self._changed(identity.workspace_id, "feedback")
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
        """A page of ratings, newest first; a call is named by our id or its sender's.

        Raises Invalid for a cursor we did not hand out.
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
        rows, next_cursor = page(found, limit, lambda last: write_cursor(last.created_at, last.id))
        return FeedbackPage(count=len(rows), feedback=rows, next_cursor=next_cursor)
