"""Errors as a caller receives them (RFC 9457)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from models import Answer, Usd, Violation
from schemas.refusals import LimitName


class Fault(Answer):
    """One error in a request and its location."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(Answer):
    """An error (RFC 9457). `errors` is present only with status 422, and `limit` and `resets_at` only with 429."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Fault] | None = None
    limit: LimitName | None = Field(None, description="The limit that has refused the request")
    resets_at: datetime | None = Field(None, description="When that limit has room again")


class PolicyProblem(Problem):
    """A call that the settings of the workspace forbid."""

    reason: Violation | None = Field(
        None, description="Rule of the settings; absent when the role or API key lacks permission"
    )


class PaymentProblem(Problem):
    """A call that a hard budget has no room for."""

    reason: Literal["budget"]
    budget_id: UUID
    budget: str
    remaining: Usd
