"""What people think of the answers."""

from typing import Annotated

from fastapi import Query

from models import Name
from routes.call import Call
from routes.deps import Cursor, Limit
from routes.router import Router
from routes.schema import problems
from schemas.feedback import Feedback, FeedbackIn, FeedbackPage

feedback = Router("/api/feedback", "feedback")


@feedback.post(
    "",
    needs="user",
    status_code=201,
    responses=problems(404),
    summary="Rate a call; rating it again changes the rating",
)
async def give(call: Call, new: FeedbackIn) -> Feedback:
    return await call.engines.feedback.give(call.caller, new)


@feedback.get("", needs="admin", summary="Ratings, newest first")
async def listing(
    call: Call,
    event_id: Annotated[Name | None, Query(description="Only those of this call, by its id, ours or yours")] = None,
    search: Annotated[Name | None, Query(description="Only those with this text in the comment or the model")] = None,
    rating: Annotated[int | None, Query(ge=1, le=5, description="Only this rating")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> FeedbackPage:
    return await call.engines.feedback.feedback(call.caller, event_id, search, rating, cursor, limit)
