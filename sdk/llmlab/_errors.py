"""The errors of the SDK.

LLMLabError
  x ConfigurationError
  x BudgetExceeded
  x PolicyViolation
    x ModelDisabled
    x TokenLimitExceeded
  x Unreachable

Recording a call raises none of them. All except ConfigurationError are raised before a call is made.
"""

from decimal import Decimal


class LLMLabError(Exception):
    """Base class of all errors of the SDK."""


class ConfigurationError(LLMLabError):
    """A setting is not valid."""


class BudgetExceeded(LLMLabError):
    """A hard budget has too little left for the call. `remaining` is in USD."""

    def __init__(self, detail: str, budget_id: str | None, budget: str | None, remaining: Decimal | None) -> None:
        super().__init__(detail, budget_id, budget, remaining)
        self.detail = detail
        self.budget_id = budget_id
        self.budget = budget
        self.remaining = remaining

    def __str__(self) -> str:
        return self.detail


class PolicyViolation(LLMLabError):
    """The workspace's policy forbids the call."""


class ModelDisabled(PolicyViolation):
    """The workspace's policy disables the model."""


class TokenLimitExceeded(PolicyViolation):
    """The call may use more tokens than the workspace's policy allows."""


class Unreachable(LLMLabError):
    """LLMLab cannot be reached, and `on_unreachable` is `refuse`."""
