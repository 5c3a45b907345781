"""Use of models over time."""

from datetime import date, datetime
from decimal import Decimal

from models import Row, Status
from schemas.prices import OwnPrice
from schemas.usage import Usage


class UsageSeries(Row):
    """A model's use in a project over time: each column is a text of numbers with commas, one for each of its minutes.

    Those say when a bucket begins, after the first one there could be. Without names it is the rest of the workspace.
    Cost in USD.
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
    """The use of a workspace's dearest pairs of project and model, and its own prices."""

    series: list[UsageSeries]
    prices: list[OwnPrice]


class UsedDay(Row):
    """What a model was used for and cost on a day; input_tokens is the uncached part."""

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
    """What a project used a model for over a range. `hours` counts the calls by hour of the day."""

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
    """What people thought of a model's answers."""

    provider: str
    model: str
    ratings: int
    average_rating: float


class SampledCall(Row):
    """One call of the sample; what it told of its prompt by tags or metadata is null where it told nothing."""

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
        """Its tokens."""
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
    """One of the newest calls that told the hash of their prompt."""

    provider: str
    model: str
    project: str
    timestamp: datetime
    status: Status
    cost: Decimal | None
    prompt_hash: str


class ModelUsage(Row):
    """What models were used for over a range: totals of all calls, a sample of them, and the workspace's own prices."""

    days: list[UsedDay]
    projects: list[UsedProject]
    ratings: list[ModelRating]
    sample: list[SampledCall]
    newest: list[HashedCall]
    prices: list[OwnPrice]
