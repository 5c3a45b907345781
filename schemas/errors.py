"""Errors as a caller receives them (RFC 9457)."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from models import Answer, Usd, Violation


class Fault(Answer):
    """One thing that is wrong with a request, and where."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(Answer):
    """An error (RFC 9457). `detail` is a sentence; `errors` comes with status 422 only."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Fault] | None = None


class PolicyProblem(Problem):
    """Which rule of the workspace's settings forbids the call."""

    reason: Violation | None = Field(
        None, description="Left out when it is the role or the API key that may not do this"
    )


class PaymentProblem(Problem):
    """Which budget has not enough left."""

    reason: Literal["budget"]
    budget_id: UUID
    budget: str
    remaining: Usd
