"""Planned calls: budget checks and reservations."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from models import Answer, ModelName, Name, ProviderName, Request, Row, Tag, Tokens, Usd
from utils import json

# Reason for refusing a call.
Refusal = Literal["budget", "model_disabled", "token_limit"]


# A number of calls of one reservation.
Calls = Annotated[int, Field(ge=1, le=100)]


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
    input_tokens: Tokens = Field(description="Tokens of the whole prompt")
    max_output_tokens: Tokens = Field(description="Maximum number of output tokens")
    project: Name | None = Field(None, description="Name or id")
    tags: Annotated[dict[Tag, Name], Field(max_length=8)] = Field({}, json_schema_extra={"additionalProperties": False})

    def parameters(self) -> dict[str, str | None]:
        """The parameters by which a SQL function finds the budgets that count the call, except its project's key."""
        return {"provider": self.provider, "model": self.model, "tags": json.text(self.tags)}


class ReservationIn(PlannedCall):
    """A reservation for a planned call."""

    seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] = Field(
        300, description="Lifetime of the reservation; if unused, it then expires and releases its amount"
    )
    calls: Calls = Field(1, description="Number of such calls to reserve for")


class BudgetRoom(Answer):
    """A budget that counts a call, and its remaining amount."""

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
    """Whether a call is allowed, and its maximum cost."""

    allowed: bool
    reason: Refusal | None = Field(
        description="Why the call is not allowed: insufficient hard budget, disabled model, or too many tokens"
    )
    detail: str | None = Field(description="The reason as a sentence")
    estimated_cost: Usd | None = Field(description="Cost of all the tokens in USD; null without a known price")
    pricing: str = Field(
        description="Source of the price; 'dearest:' and a source is the provider's highest, if the model has none"
    )
    tightest_budget: BudgetRoom | None = Field(
        description="Of the budgets that count the call, the one with the least remaining"
    )
    remaining: Usd | None = Field(description="Remaining amount of that budget; null without a budget")


class Reservation(Answer):
    """An amount reserved for calls. The event of each, with this id as `reservation_id`, settles its actual cost."""

    id: UUID
    calls: int = Field(
        description="Number of calls that are reserved: at least 1, and of several as many as fit into a tenth of the "
        "least remaining amount of the hard budgets"
    )
    estimated_cost: Usd | None = Field(description="Maximum cost of one call in USD; null without a known price")
    pricing: str
    expires_at: datetime


# Internal values, never sent to a caller


class Grant(Row):
    """The decision on a reservation: the number of calls, or the budget that has too little left."""

    calls: int | None = None
    short: BudgetRoom | None = None
