"""Use of models, the input of anomalies and recommendations. Internal: no caller receives these."""

from datetime import date, datetime
from decimal import Decimal

from models import Row, Status
from schemas.prices import CustomPrice
from schemas.usage import Usage

# Use over time


class UsageSeries(Row):
    """Use of a model in a project over time. Each column is a comma-separated text with one number for each bucket.

    `minutes` says when a bucket begins, counted from the start of the first possible one. A series without names is
    the rest of the workspace. Costs are in USD.
    """

    project: str | None
    provider: str | None
    model: str | None
    minutes: str
    calls: str
    errors: str
    unpriced_calls: str
    input_tokens: str
    cache_read_tokens: str
    cache_write_5m_tokens: str
    cache_write_1h_tokens: str
    output_tokens: str
    costs: str


class UsageHistory(Row):
    """Use of a workspace's most expensive pairs of project and model, and its custom prices."""

    series: list[UsageSeries]
    prices: list[CustomPrice]


# Use in a range


class UsedDay(Row):
    """Use and cost of a model on one day. `input_tokens` excludes cached tokens."""

    provider: str
    model: str
    day: date
    first_at: datetime
    calls: int
    errors: int
    unpriced_calls: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal
    error_cost: Decimal


class UsedProject(Row):
    """Use of a model in a project. `hours` counts the calls by hour of the day."""

    provider: str
    model: str
    project: str
    name: str | None
    first_at: datetime
    last_at: datetime
    calls: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost: Decimal
    hours: dict[int, int]


class ModelRating(Row):
    """Ratings of a model's answers."""

    provider: str
    model: str
    ratings: int
    average_rating: float


class SampledCall(Row):
    """One call of the sample. Fields from tags and metadata are None if they were not sent."""

    provider: str
    model: str
    project: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_detail: dict[str, Decimal]
    tier: str | None
    prompt_hash: str | None
    prefix_hash: str | None
    prefix_tokens: int | None
    max_tokens: int | None

    def usage(self) -> Usage:
        """Its token counts."""
        return Usage(
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            {key: int(value) for key, value in self.usage_detail.items()},
        )


class HashedCall(Row):
    """One of the newest calls that were sent with a hash of their prompt."""

    provider: str
    model: str
    project: str
    timestamp: datetime
    status: Status
    cost: Decimal | None
    prompt_hash: str


class ModelUsage(Row):
    """Use of all models: totals of all calls, a sample of the calls, and the workspace's custom prices."""

    days: list[UsedDay]
    projects: list[UsedProject]
    ratings: list[ModelRating]
    sample: list[SampledCall]
    newest: list[HashedCall]
    prices: list[CustomPrice]
