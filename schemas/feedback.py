"""Feedback: ratings of calls."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field

from models import Answer, LongText, Name, Request, Usd


class FeedbackIn(Request):
    """A rating of a call."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_id": "call-1", "rating": 5, "comment": "Spot on"}]}
    )

    event_id: Name = Field(
        validation_alias=AliasChoices("event_id", "llm_call_id"),
        description="Id of the event, LLMLab's or yours; also accepted as llm_call_id",
    )
    rating: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(description="From 1 (bad) to 5 (good)")
    comment: LongText | None = None


class Feedback(Answer):
    """A rating and the call that it is for."""

    id: UUID
    event_id: UUID = Field(description="Id of the event, which may have been deleted since")
    rated_by: UUID = Field(description="Id of a user or API key")
    rating: int
    comment: str | None
    provider: str
    model: str
    project: str | None
    cost: Usd | None = Field(description="Cost of the call in USD; null without a known price")
    called_at: datetime
    created_at: datetime
    updated_at: datetime


class FeedbackPage(Answer):
    """A page of ratings, newest first."""

    count: int
    feedback: list[Feedback]
    next_cursor: str | None
