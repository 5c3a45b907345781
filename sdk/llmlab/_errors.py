"""What can go wrong, in one tree.

LLMLabError
  x ConfigurationError
  x BudgetExceeded
  x PolicyViolation
    x ModelDisabled
    x TokenLimitExceeded
  x Unreachable

Tracking raises none of them. All but ConfigurationError are raised before a call is made, and only then.
"""

from decimal import Decimal


class LLMLabError(Exception):
    """Something is wrong with LLMLab or with how it is used."""


class ConfigurationError(LLMLabError):
    """A setting that cannot be used."""


class BudgetExceeded(LLMLabError):
    """A hard budget has not enough left for the call. `remaining` is in USD."""

    def __init__(self, detail: str, budget_id: str | None, budget: str | None, remaining: Decimal | None) -> None:
        super().__init__(detail, budget_id, budget, remaining)
        self.detail = detail
        self.budget_id = budget_id
        self.budget = budget
        self.remaining = remaining

    def __str__(self) -> str:
        return self.detail


class PolicyViolation(LLMLabError):
    """The settings of the workspace do not allow the call."""


class ModelDisabled(PolicyViolation):
    """The settings of the workspace disable the model."""


class TokenLimitExceeded(PolicyViolation):
    """The call may take more tokens than the settings of the workspace allow."""


class Unreachable(LLMLabError):
    """LLMLab cannot be asked, and `on_unreachable` is `refuse`."""
