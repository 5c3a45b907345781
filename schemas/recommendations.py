"""Recommendations: cheaper models and avoidable costs."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from models import Answer, Percent, Usd
from schemas.anomalies import Anomaly

# Other models


class AnswerQuality(Answer):
    """Quality of a model's answers in the period; null if unknown."""

    ratings: int
    average_rating: float | None = Field(description="Mean rating, from 1 to 5")
    error_rate: Percent | None = Field(description="Percentage of its calls in this workspace that failed")


class ModelSwitch(Answer):
    """Cost of a model's calls on a suitable other model."""

    provider: str = Field(description="Provider of the current model")
    current_model: str
    current_tier: str = Field(description="Tier by its provider: frontier, flagship, balanced, small or tiny")
    suggested_provider: str
    suggested_model: str
    suggested_tier: str
    same_provider: bool
    tier_step: int = Field(
        description="Number of tiers down: 0 is the same tier, 1 the one below, a negative number a higher tier"
    )
    calls: int
    sampled_calls: int = Field(description="Number of calls in the sample from which prompt lengths are estimated")
    fitting_calls: Percent = Field(
        description="Percentage of sampled calls that fit the suggested model's context window; others are not moved"
    )
    current_cost: Usd = Field(description="Recorded cost of the period")
    current_cost_today: Usd | None = Field(description="Cost of the same calls at current prices; null without a price")
    projected_cost: Usd = Field(description="Cost of the same calls on the suggested model at current prices")
    current_cost_per_call: Usd
    suggested_cost_per_call: Usd
    estimated_monthly_savings: Usd = Field(
        description="Lower of the two current costs minus the projected cost, per day since the first call, times 30"
    )
    savings_low: Usd | None = Field(
        description="Lower end of the 95% interval of the saving; null with fewer than 7 whole days"
    )
    savings_high: Usd | None = Field(description="Upper end of the same interval")
    suggested_retires_on: date | None = Field(description="Retirement date, if announced")
    current_quality: AnswerQuality
    suggested_quality: AnswerQuality | None = Field(description="Null if this workspace has not used the model")
    use_case: str


class LeftOut(Answer):
    """A model without a suggestion, and the reason."""

    provider: str
    model: str
    calls: int
    reason: Literal["unknown_tier", "unpriced_calls"]


class AdviceBasis(Answer):
    """Data, method and assumptions behind the amounts."""

    calls: int = Field(description="Calls of the analysed models in the period")
    sampled_calls: int
    method: str
    assumptions: list[str]


class ModelSwitches(Answer):
    """Suggested models, largest saving first."""

    count: int
    recommendations: list[ModelSwitch]
    total_potential_savings: Usd = Field(description="USD per month, with the best suggestion for each model")
    left_out: list[LeftOut] = Field(description="Models without a suggestion, for lack of data")
    basis: AdviceBasis


# Avoidable costs


class Optimization(Answer):
    """An avoidable cost."""

    type: Literal[
        "failed_calls",
        "retry_storm",
        "cache_loss",
        "caching_unused",
        "batch",
        "oversized_prompts",
        "unused_output_limit",
        "price_cut",
        "retirement",
    ]
    provider: str
    model: str
    project: str | None = Field(description="Null for all projects, or for calls without a project")
    description: str
    cost: Usd = Field(description="Affected cost of the period in USD, as recorded or at current prices")
    estimated_monthly_savings: Usd | None = Field(description="USD per month; null if it cannot be estimated")
    evidence: dict[str, Usd] = Field(description="Numbers that support the finding")
    confidence: Literal["high", "medium", "low"]


class MissingEvidence(Answer):
    """Data to send for more findings."""

    what: str
    why: str
    how: str


# All together


class Recommendations(Answer):
    """All recommendations."""

    optimizations: list[Optimization]
    missing_evidence: list[MissingEvidence]
    model_recommendations: list[ModelSwitch]
    left_out: list[LeftOut] = Field(description="Models without a suggestion, for lack of data")
    basis: AdviceBasis
    anomalies: list[Anomaly]
    last_updated: datetime
