"""Metrics: tokens, errors, latencies and quality."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field

from models import Answer, DateRange, Percent, Row, Usd
from schemas.costs import DayCost
from schemas.ranges import CostRange


class MetricsSummary(Answer):
    """How a range of days went."""

    date_range: DateRange
    total_tokens: int
    total_cost: Usd
    average_latency: float | None = Field(description="Milliseconds, over timed_calls; null without any")
    error_rate: Percent = Field(description="Percent of the calls that ended in an error or a timeout; 0 without calls")
    call_count: int
    error_count: int
    unpriced_calls: int = Field(description="Calls without a known price: they are not in total_cost")
    timed_calls: int = Field(description="Calls with a latency")


class DayUsage(Answer):
    """The tokens of one day."""

    date: date
    prompt_tokens: int = Field(description="Whole prompts, cached parts included")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    completion_tokens: int = Field(description="Reasoning included")
    reasoning_tokens: int
    total_tokens: int
    call_count: int


class TokenUsage(Answer):
    """Tokens by day, empty days included."""

    date_range: DateRange
    data: list[DayUsage]


class DayErrors(Answer):
    """The errors of one day."""

    date: date
    error_rate: Percent = Field(description="Percent of the calls that ended in an error or a timeout; 0 without calls")
    error_count: int
    call_count: int


class ErrorRates(Answer):
    """Errors by day, empty days included."""

    date_range: DateRange
    data: list[DayErrors]


class CostByDay(Answer):
    """Cost by day, empty days included."""

    date_range: DateRange
    data: list[DayCost]


class LatencyRange(Answer):
    """How many calls took so long. 100-200ms begins at 100 and ends before 200."""

    range: Literal["0-100ms", "100-200ms", "200-500ms", "500-1000ms", "1000ms+"]
    call_count: int


class Percentiles(Answer):
    """Latency percentiles in milliseconds, at most 2 % off; null without timed calls."""

    timed_calls: int = Field(description="Calls with a latency")
    average_latency: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class ModelLatency(Percentiles):
    """How long one model's calls took."""

    provider: str
    model: str


class Latency(Percentiles):
    """How long calls took, over all and by model, the most called first."""

    date_range: DateRange
    call_count: int
    data: list[LatencyRange]
    by_model: list[ModelLatency]


class ModelQuality(Answer):
    """What the good answers of one model cost. Each rated call counts once, with the mean of its ratings."""

    provider: str
    model: str
    ratings: int = Field(description="How many ratings are behind the other numbers")
    rated_calls: int
    average_rating: float = Field(description="Over the rated calls")
    good_answers: int = Field(description="Rated calls whose mean is 4 or more")
    rated_cost: Usd = Field(description="Of the rated calls that have a price")
    unpriced_calls: int = Field(description="Rated calls without a known price")
    cost_per_good_answer: Usd | None = Field(
        description="rated_cost / the good answers that have a price; null without any"
    )


class Quality(Answer):
    """What good answers cost by model, the most rated first."""

    date_range: DateRange
    data: list[ModelQuality]


# Internal values, never sent to a caller


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """Which calls to measure. A project, provider or model of None matches any."""

    range: CostRange
    project: str | None = None
    provider: str | None = None
    model: str | None = None

    def parameters(self) -> dict[str, str | None]:
        """The parameters of a SQL function that say which calls to measure; the range is resolved by the caller."""
        return {"project": self.project, "provider": self.provider, "model": self.model}


class MetricDay(Row):
    """All metrics of one day."""

    date: date
    call_count: int
    error_count: int
    error_rate: Decimal
    prompt_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    total_tokens: int
    total_cost: Decimal
    unpriced_calls: int


class MetricDays(Row):
    """Metrics of each day of a range."""

    date_range: DateRange
    data: list[MetricDay]
