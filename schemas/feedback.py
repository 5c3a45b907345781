"""Feedback: ratings of calls."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field

from models import Answer, LongText, Name, Request, Usd


class FeedbackIn(Request):
    """What you think of a call."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_id": "call-1", "rating": 5, "comment": "Spot on"}]}
    )

    event_id: Name = Field(
        validation_alias=AliasChoices("event_id", "llm_call_id"),
        description="The call's id, ours or yours; also taken as llm_call_id",
    )
    rating: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(description="From 1, bad, to 5, good")
    comment: LongText | None = None


class Feedback(Answer):
    """What somebody thinks of a call, and what of the call matters for it."""

    id: UUID
    event_id: UUID = Field(description="The call, which may have been deleted since")
    rated_by: UUID = Field(description="A user or an API key")
    rating: int
    comment: str | None
    provider: str
    model: str
    project: str | None
    cost: Usd | None = Field(description="USD of the call; null when no price is known")
    called_at: datetime
    created_at: datetime
    updated_at: datetime


class FeedbackPage(Answer):
    """A page of ratings, newest first."""

    count: int
    feedback: list[Feedback]
    next_cursor: str | None
