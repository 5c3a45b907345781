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
    """Totals and averages of a date range."""

    date_range: DateRange
    total_tokens: int
    total_cost: Usd
    average_latency: float | None = Field(
        description="Average in milliseconds over timed_calls; null if there are none"
    )
    error_rate: Percent = Field(description="Percentage of calls that ended in an error or timeout; 0 without calls")
    call_count: int
    error_count: int
    unpriced_calls: int = Field(description="Calls without a known price; not part of total_cost")
    timed_calls: int = Field(description="Calls with a latency")


class DayUsage(Answer):
    """Tokens of one day."""

    date: date
    prompt_tokens: int = Field(description="Tokens of whole prompts, cached parts included")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    completion_tokens: int = Field(description="Tokens of the output, reasoning included")
    reasoning_tokens: int
    total_tokens: int
    call_count: int


class TokenUsage(Answer):
    """Tokens by day, empty days included."""

    date_range: DateRange
    data: list[DayUsage]


class DayErrors(Answer):
    """Errors of one day."""

    date: date
    error_rate: Percent = Field(description="Percentage of calls that ended in an error or timeout; 0 without calls")
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
    """Number of calls in a latency range. 100-200ms includes 100 and excludes 200."""

    range: Literal["0-100ms", "100-200ms", "200-500ms", "500-1000ms", "1000ms+"]
    call_count: int


class Percentiles(Answer):
    """Latency percentiles in milliseconds, within 2% of the exact value; null without timed calls."""

    timed_calls: int = Field(description="Calls with a latency")
    average_latency: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class ModelLatency(Percentiles):
    """Latency of one model."""

    provider: str
    model: str


class Latency(Percentiles):
    """Latency of all calls and by model, most calls first."""

    date_range: DateRange
    call_count: int
    data: list[LatencyRange]
    by_model: list[ModelLatency]


class ModelQuality(Answer):
    """Cost of good answers of one model. Each rated call counts once, with the mean of its ratings."""

    provider: str
    model: str
    ratings: int = Field(description="Number of ratings")
    rated_calls: int
    average_rating: float = Field(description="Mean over the rated calls")
    good_answers: int = Field(description="Rated calls with a mean rating of 4 or more")
    rated_cost: Usd = Field(description="Cost of the rated calls with a known price")
    unpriced_calls: int = Field(description="Rated calls without a known price")
    cost_per_good_answer: Usd | None = Field(
        description="rated_cost divided by the number of good answers with a known price; null if there are none"
    )


class Quality(Answer):
    """Cost of good answers by model, most ratings first."""

    date_range: DateRange
    data: list[ModelQuality]


# Internal values, never sent to a caller


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """Filter of metrics. A project, provider or model of None matches any."""

    range: CostRange
    project: str | None = None
    provider: str | None = None
    model: str | None = None

    def parameters(self) -> dict[str, str | None]:
        """The filter parameters of a SQL function; the range is resolved by the caller."""
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
