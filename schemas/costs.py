"""Costs of a range of days."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import Field

from models import Answer, DateRange, Usd

Step = Literal["hour", "day", "week", "month"]
SplitBy = Literal["model", "provider", "project", "tag"]


class ModelCost(Answer):
    """What one model cost."""

    model: str
    provider: str
    total_calls: int
    total_tokens: int
    total_cost: Usd
    unpriced_calls: int


class DayCost(Answer):
    """What one day cost."""

    date: date
    total_cost: Usd
    call_count: int
    unpriced_calls: int


class CostSummary(Answer):
    """What a range of days cost."""

    total_cost: Usd
    call_count: int
    average_cost_per_call: Usd | None = Field(
        description="Over the priced calls; 0 without calls, null when no call has a price"
    )
    unpriced_calls: int = Field(description="Calls without a known price: they are in no total")
    by_model: list[ModelCost]
    by_date: list[DayCost] = Field(description="Every day of the range, in the time zone asked for")
    date_range_start: datetime
    date_range_end: datetime


class NamedCost(Answer):
    """Cost and calls of one model under its provider."""

    cost: Usd
    calls: int
    unpriced_calls: int


class ProviderCost(Answer):
    """What one provider cost."""

    provider: str
    total_cost: Usd
    call_count: int
    unpriced_calls: int
    models: dict[str, NamedCost]


class CostByProvider(Answer):
    """What each provider cost, dearest first."""

    date_range: DateRange
    provider_costs: list[ProviderCost]


class TopModels(Answer):
    """The dearest models."""

    count: int
    models: list[ModelCost]


class ProjectCost(Answer):
    """What one project cost; null are the calls without one."""

    project: str | None
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class CostByProject(Answer):
    """What each project cost, dearest first."""

    date_range: DateRange
    project_costs: list[ProjectCost]


class TagCost(Answer):
    """What the calls with one value of a tag cost."""

    value: str
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class CostByTag(Answer):
    """What each value of one tag cost, dearest first. Calls without the tag are not in it."""

    date_range: DateRange
    key: str
    tag_costs: list[TagCost]


class TagKeys(Answer):
    """The keys of all tags, in order."""

    keys: list[str]


# Time series


class SplitCost(Answer):
    """The share of one model, provider, project or value of a tag."""

    name: str | None = Field(description="Null for calls without a project or without the tag, and for others")
    others: bool = Field(description="Whether this is all that lies beyond the limit")
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class Point(Answer):
    """One step of a time series."""

    start: datetime
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int
    split: list[SplitCost]


class Timeseries(Answer):
    """Cost over time, empty steps included."""

    bucket: Step
    by: SplitBy | None
    key: str | None = Field(description="The tag's key, by tag")
    date_range: DateRange
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int = Field(description="Calls without a known price: they are in no total")
    split: list[SplitCost] = Field(description="Of the whole range, dearest first")
    points: list[Point]


# Internal values, never sent to a caller


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """How to split a time series, and which calls it covers.

    Without `by` it is not split; any other field that is None matches any call.
    """

    by: SplitBy | None
    key: str | None
    project: str | None
    provider: str | None
    model: str | None
    limit: int

    def parameters(self) -> dict[str, str | int | None]:
        """The parameters of a SQL function that splits a time series."""
        return {
            "by": self.by,
            "key": self.key,
            "project": self.project,
            "provider": self.provider,
            "model": self.model,
            "limit": self.limit,
        }
