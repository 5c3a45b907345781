"""Spans that look like model calls, but are of no known convention."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import Field

from models import Answer


class UnreadAttribute(Answer):
    """An attribute of a span."""

    name: str = Field(examples=["acme.tokens.prompt"])
    value: str | None = Field(
        description="A number, or the name of a model or provider; `null` for other texts, which are not stored",
        examples=["1200"],
    )


class UnreadSpan(Answer):
    """Spans of one instrumentation that have a model and tokens in attributes of the same names."""

    scope: str = Field(description="Name of the instrumentation; may be empty", examples=["acme.gateway"])
    spans: int = Field(description="Number of spans since `first_seen_at`")
    first_seen_at: datetime
    last_seen_at: datetime
    example: list[UnreadAttribute] = Field(description="Up to 32 attributes of one of the spans")


class UnreadSpans(Answer):
    """Spans of the last 7 days that were not understood, newest first. Updated every few seconds."""

    unread_spans: list[UnreadSpan]


# Internal values, never sent to a caller


class UnreadCount(NamedTuple):
    """A number of spans to add. The id is made of the scope and of the names of attributes."""

    id: UUID
    scope: str
    spans: int
    example: list[UnreadAttribute]
