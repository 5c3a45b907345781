"""Planned calls: whether a budget has room for them, and reservations that hold it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from models import Answer, ModelName, Name, ProviderName, Request, Tag, Tokens, Usd
from utils import json

# Reason for refusing a call.
Refusal = Literal["budget", "model_disabled", "token_limit"]


class PlannedCall(Request):
    """A call that is about to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"provider": "openai", "model": "gpt-4o-mini", "input_tokens": 1200, "max_output_tokens": 500,
                 "project": "search"}
            ]
        }
    )  # fmt: skip

    provider: ProviderName
    model: ModelName
    input_tokens: Tokens = Field(description="The whole prompt")
    max_output_tokens: Tokens = Field(description="The most the model may answer")
    project: Name | None = Field(None, description="Name or id")
    tags: Annotated[dict[Tag, Name], Field(max_length=8)] = Field({}, json_schema_extra={"additionalProperties": False})

    def parameters(self) -> dict[str, str | None]:
        """The parameters of a SQL function that say which budgets count the call, but for its project's key."""
        return {"provider": self.provider, "model": self.model, "tags": json.text(self.tags)}


class ReservationIn(PlannedCall):
    """A call to hold money for."""

    seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] = Field(
        300, description="After so long an unused reservation lapses, and its money is free again"
    )


class BudgetRoom(Answer):
    """A budget that counts a call, and what is left of it."""

    id: UUID
    name: str
    hard: bool
    limit: Usd
    current_spend: Usd
    reserved: Usd
    remaining: Usd
    period_start: datetime
    period_end: datetime


class Guarded(Answer):
    """Whether a call may be made, and what it costs at most."""

    allowed: bool
    reason: Refusal | None = Field(
        description="Why not: a hard budget lacks room, the model is disabled, or the tokens are too many"
    )
    detail: str | None = Field(description="The same in words")
    estimated_cost: Usd | None = Field(description="USD for all the tokens; null when no price is known at all")
    pricing: str = Field(
        description="Which price; 'dearest:' and one is the dearest of a provider without one for this"
    )
    tightest_budget: BudgetRoom | None = Field(description="Of the budgets that count the call the one with least left")
    remaining: Usd | None = Field(description="What is left of that; null without a budget")


class Reservation(Answer):
    """Money held for a call. Send the id as `reservation_id` with the event: that settles it at the real cost."""

    id: UUID
    estimated_cost: Usd | None
    pricing: str
    expires_at: datetime
