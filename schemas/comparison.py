"""Comparison of the costs of two periods."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from models import Answer, Row, Usd
from schemas.prices import OwnPrice

ModelStatus = Literal["kept", "new_model", "vanished_model", "new_project", "vanished_project"]
# A count, or a mean of counts.
Quantity = Annotated[Decimal, WithJsonSchema({"type": "number"})]


class CostEffects(Answer):
    """What each cause did to the cost, in USD; together they are the difference, to the last digit."""

    volume: Usd = Field(description="More or fewer calls of the projects that are in both periods")
    model_mix: Usd = Field(description="Other shares of the models in a project's calls, new and abandoned ones too")
    tokens_per_call: Usd = Field(description="Longer or shorter prompts and answers")
    cache_hit_rate: Usd = Field(description="Another share of the prompts read from the cache, or written to it")
    price: Usd = Field(
        description="What a token of a kind cost: new prices, dearer rates of long prompts, costs the caller gave"
    )
    priced_share: Usd = Field(description="Another share of calls with a known price; the others are in no total")
    new_projects: Usd = Field(description="Projects without a call in the earlier period")
    vanished_projects: Usd = Field(description="Projects without a call in the later period")
    others: Usd = Field(description="What lies beyond the 1,000 dearest pairs of project and model, and is not split")


class ProjectDifference(Answer):
    """How the cost of one project changed; null are the calls without one."""

    project: str | None
    before_cost: Usd
    after_cost: Usd
    difference: Usd
    effects: CostEffects


class ModelDifference(Answer):
    """How the cost of one model in one project changed."""

    project: str | None
    provider: str
    model: str
    status: ModelStatus = Field(description="Whether the model is new or gone in the project, or the whole project is")
    before_cost: Usd
    after_cost: Usd
    difference: Usd
    effects: CostEffects
    before_calls: Quantity
    after_calls: Quantity
    before_unpriced_calls: Quantity
    after_unpriced_calls: Quantity


class UnpricedModel(Answer):
    """Calls without a known price: they are in no total."""

    provider: str
    model: str
    before_calls: Quantity
    after_calls: Quantity


class Explanation(Answer):
    """Why the cost of two periods differs."""

    summary: str = Field(description="The same in one sentence")
    before_cost: Usd
    after_cost: Usd
    difference: Usd = Field(description="after_cost - before_cost")
    effects: CostEffects
    projects: list[ProjectDifference] = Field(description="Largest change first")
    models: list[ModelDifference] = Field(description="By project and model, largest change first")
    unpriced: list[UnpricedModel] = Field(description="The models of calls without a known price")


class ComparedPeriod(Answer):
    """One of two periods; start is in it, end is not."""

    start: datetime
    end: datetime
    call_count: int
    unpriced_calls: int = Field(description="Calls without a known price: they are in no total")


class CostComparison(Explanation):
    """Why the cost of two periods differs."""

    before: ComparedPeriod
    after: ComparedPeriod
    project_count: int = Field(description="How many projects there are; `projects` holds the first `limit` of them")
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
    """Two periods by project and model, and the workspace's own prices."""

    before: list[PeriodUsage]
    after: list[PeriodUsage]
    before_rest: PeriodRest
    after_rest: PeriodRest
    prices: list[OwnPrice]
