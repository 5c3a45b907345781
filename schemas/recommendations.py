"""Recommendations: other models, and costs that can be avoided."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from models import Answer, Percent, Usd
from schemas.anomalies import Anomaly

# Other models


class AnswerQuality(Answer):
    """What is known of a model's answers in the window; null where nothing is."""

    ratings: int
    average_rating: float | None = Field(description="From 1 to 5")
    error_rate: Percent | None = Field(description="Of its calls in this workspace, in percent")


class ModelSwitch(Answer):
    """What a model's calls would have cost on another model that can do the job."""

    provider: str = Field(description="Of the current model")
    current_model: str
    current_tier: str = Field(description="Where its vendor places it: frontier, flagship, balanced, small or tiny")
    suggested_provider: str
    suggested_model: str
    suggested_tier: str
    same_provider: bool
    tier_step: int = Field(description="Tiers down: 0 is the same one, 1 the one below, less than 0 is above")
    calls: int
    sampled_calls: int = Field(description="Of how many the lengths of prompts are known")
    fitting_calls: Percent = Field(
        description="Percent of the sampled calls that the other model's context window holds; the rest stays"
    )
    current_cost: Usd = Field(description="Of the window, as stored")
    current_cost_today: Usd | None = Field(description="The same calls at today's prices; null without a price")
    projected_cost: Usd = Field(description="The same calls on the suggested model, at today's prices")
    current_cost_per_call: Usd
    suggested_cost_per_call: Usd
    estimated_monthly_savings: Usd = Field(
        description="The lower of the two current costs less the projected one, per day since the first call, times 30"
    )
    savings_low: Usd | None = Field(description="The saving's 95 % interval; null with fewer than 7 whole days")
    savings_high: Usd | None
    suggested_retires_on: date | None = Field(description="When its vendor stops serving it, where that is announced")
    current_quality: AnswerQuality
    suggested_quality: AnswerQuality | None = Field(description="Null where this workspace has not used the model")
    use_case: str


class LeftOut(Answer):
    """A model that nothing is suggested for, and why."""

    provider: str
    model: str
    calls: int
    reason: Literal["unknown_tier", "unpriced_calls"]


class AdviceBasis(Answer):
    """What the dollars rest on."""

    calls: int = Field(description="In the window, of the models looked at")
    sampled_calls: int
    method: str
    assumptions: list[str]


class ModelSwitches(Answer):
    """Other models for what was really used, largest saving first."""

    count: int
    recommendations: list[ModelSwitch]
    total_potential_savings: Usd = Field(description="Per month, with the best suggestion for each model")
    left_out: list[LeftOut] = Field(description="Models that nothing is suggested for, because too little is known")
    basis: AdviceBasis


# Avoidable costs


class Optimization(Answer):
    """Something that cost money and need not have."""

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
    project: str | None = Field(description="Null where it is about all projects, or about calls without one")
    description: str
    cost: Usd = Field(description="USD over the window that this is about, as stored or at today's prices")
    estimated_monthly_savings: Usd | None = Field(description="Null where nobody can know from what was sent")
    evidence: dict[str, Usd] = Field(description="The numbers that this rests on")
    confidence: Literal["high", "medium", "low"]


class MissingEvidence(Answer):
    """What to send so that more can be said."""

    what: str
    why: str
    how: str


# All together


class Recommendations(Answer):
    """All the advice the stored data supports."""

    optimizations: list[Optimization]
    missing_evidence: list[MissingEvidence]
    model_recommendations: list[ModelSwitch]
    left_out: list[LeftOut] = Field(description="Models to which no other is suggested, because too little is known")
    basis: AdviceBasis
    anomalies: list[Anomaly]
    last_updated: datetime
