"""Feedback: ratings of calls."""

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
    summary="Rate a call, or change the rating",
)
async def give(call: Call, new: FeedbackIn) -> Feedback:
    return await call.engines.feedback.give(call.caller, new)


@feedback.get("", needs="admin", summary="List ratings, newest first")
async def listing(
    call: Call,
    event_id: Annotated[
        Name | None, Query(description="Only ratings of this event, by its id, LLMLab's or yours")
    ] = None,
    search: Annotated[Name | None, Query(description="Only ratings with this text in the comment or model")] = None,
    rating: Annotated[int | None, Query(ge=1, le=5, description="Only ratings of this value")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> FeedbackPage:
    return await call.engines.feedback.feedback(call.caller, event_id, search, rating, cursor, limit)
