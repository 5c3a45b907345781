"""Costs of a range of days."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import Field

from models import Answer, DateRange, Usd

Step = Literal["hour", "day", "week", "month"]
SplitBy = Literal["model", "provider", "project", "tag"]


class ModelCost(Answer):
    """Cost of one model."""

    model: str
    provider: str
    total_calls: int
    total_tokens: int
    total_cost: Usd
    unpriced_calls: int


class DayCost(Answer):
    """Cost of one day."""

    date: date
    total_cost: Usd
    call_count: int
    unpriced_calls: int


class CostSummary(Answer):
    """Cost of a date range."""

    total_cost: Usd
    call_count: int
    average_cost_per_call: Usd | None = Field(
        description="Average over priced calls; 0 without calls, null when no call has a price"
    )
    unpriced_calls: int = Field(description="Calls without a known price; not part of any total")
    by_model: list[ModelCost]
    by_date: list[DayCost] = Field(description="All days of the range, in the requested time zone")
    date_range_start: datetime
    date_range_end: datetime


class NamedCost(Answer):
    """Cost and calls of one model of a provider."""

    cost: Usd
    calls: int
    unpriced_calls: int


class ProviderCost(Answer):
    """Cost of one provider."""

    provider: str
    total_cost: Usd
    call_count: int
    unpriced_calls: int
    models: dict[str, NamedCost]


class CostByProvider(Answer):
    """Cost by provider, most expensive first."""

    date_range: DateRange
    provider_costs: list[ProviderCost]


class TopModels(Answer):
    """The most expensive models."""

    count: int
    models: list[ModelCost]


class ProjectCost(Answer):
    """Cost of one project; null stands for calls without a project."""

    project: str | None
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class CostByProject(Answer):
    """Cost by project, most expensive first."""

    date_range: DateRange
    project_costs: list[ProjectCost]


class TagCost(Answer):
    """Cost of calls with one value of a tag."""

    value: str
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int


class CostByTag(Answer):
    """Cost by value of one tag, most expensive first. Calls without the tag are not included."""

    date_range: DateRange
    key: str
    tag_costs: list[TagCost]


class TagKeys(Answer):
    """The keys of all tags, in alphabetical order."""

    keys: list[str]


# Time series


class SplitCost(Answer):
    """Part of one model, provider, project or tag value."""

    name: str | None = Field(description="Null for calls without a project or tag, and for the rest")
    others: bool = Field(description="Whether this is the rest beyond `limit`")
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
    key: str | None = Field(description="Tag key, when split by tag")
    date_range: DateRange
    total_cost: Usd
    call_count: int
    total_tokens: int
    unpriced_calls: int = Field(description="Calls without a known price; not part of any total")
    split: list[SplitCost] = Field(description="Split of the whole range, most expensive first")
    points: list[Point]


# Internal values, never sent to a caller


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """Split and filter of a time series. Without `by` it is not split; any other field of None matches any call."""

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
