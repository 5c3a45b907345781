"""Comparison of the costs of two periods."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from models import Answer, Row, Usd
from schemas.prices import CustomPrice

ModelStatus = Literal["kept", "new_model", "vanished_model", "new_project", "vanished_project"]
# A count, or a mean of counts.
Quantity = Annotated[Decimal, WithJsonSchema({"type": "number"})]


class CostEffects(Answer):
    """The effect of each cause on the cost in USD; they add up to the difference exactly."""

    volume: Usd = Field(description="More or fewer calls, in projects that are in both periods")
    model_mix: Usd = Field(
        description="Different shares of the models in a project's calls, new and abandoned models included"
    )
    tokens_per_call: Usd = Field(description="Longer or shorter prompts and responses")
    cache_hit_rate: Usd = Field(description="Different share of prompt tokens read from or written to the cache")
    price: Usd = Field(
        description="Different cost per token: new prices, higher rates for long prompts, costs sent with events"
    )
    priced_share: Usd = Field(
        description="Different share of calls with a known price; others are not part of any total"
    )
    new_projects: Usd = Field(description="Projects without calls in the earlier period")
    vanished_projects: Usd = Field(description="Projects without calls in the later period")
    others: Usd = Field(
        description="Everything beyond the 1,000 most expensive pairs of project and model, without causes"
    )


class ProjectDifference(Answer):
    """Change in cost of one project; null stands for calls without a project."""

    project: str | None
    before_cost: Usd
    after_cost: Usd
    difference: Usd
    effects: CostEffects


class ModelDifference(Answer):
    """Change in cost of one model in one project."""

    project: str | None
    provider: str
    model: str
    status: ModelStatus = Field(description="Whether the model, or the whole project, is new or gone")
    before_cost: Usd
    after_cost: Usd
    difference: Usd
    effects: CostEffects
    before_calls: Quantity
    after_calls: Quantity
    before_unpriced_calls: Quantity
    after_unpriced_calls: Quantity


class UnpricedModel(Answer):
    """Calls of a model without a known price; not part of any total."""

    provider: str
    model: str
    before_calls: Quantity
    after_calls: Quantity


class Explanation(Answer):
    """The difference in cost between two periods and its causes."""

    summary: str = Field(description="Summary in one sentence")
    before_cost: Usd
    after_cost: Usd
    difference: Usd = Field(description="after_cost - before_cost")
    effects: CostEffects
    projects: list[ProjectDifference] = Field(description="Largest change first")
    models: list[ModelDifference] = Field(description="By project and model, largest change first")
    unpriced: list[UnpricedModel] = Field(description="The models of calls without a known price")


class ComparedPeriod(Answer):
    """One of two periods; `start` is inclusive, `end` exclusive."""

    start: datetime
    end: datetime
    call_count: int
    unpriced_calls: int = Field(description="Calls without a known price; not part of any total")


class CostComparison(Explanation):
    """The difference in cost between two periods and its causes."""

    before: ComparedPeriod
    after: ComparedPeriod
    project_count: int = Field(description="Total number of projects; `projects` holds the first `limit`")
    model_count: int


# Internal values, never sent to a caller


class PeriodUsage(Row):
    """Use and cost of a model in one project over a period. `input_tokens` excludes cached tokens."""

    project: str | None
    provider: str
    model: str
    calls: Decimal
    unpriced_calls: Decimal
    input_tokens: Decimal
    cache_read_tokens: Decimal
    cache_write_5m_tokens: Decimal
    cache_write_1h_tokens: Decimal
    output_tokens: Decimal
    cost: Decimal


class PeriodRest(Row):
    """Totals of a period beyond its most expensive pairs of project and model."""

    calls: int
    unpriced_calls: int
    cost: Decimal


class ComparedCosts(Row):
    """Two periods by project and model, and the workspace's custom prices."""

    before: list[PeriodUsage]
    after: list[PeriodUsage]
    before_rest: PeriodRest
    after_rest: PeriodRest
    prices: list[CustomPrice]
