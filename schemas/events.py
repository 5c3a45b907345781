"""Events: records of model calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from models import (
    Answer,
    LongText,
    Metadata,
    Milliseconds,
    ModelName,
    Name,
    ProviderName,
    Request,
    Row,
    Status,
    Tag,
    Time,
    Tokens,
    Usd,
    Violation,
)
from schemas.usage import EventRates, Price, Usage
from utils import json

ReportedCost = Annotated[
    Decimal,
    Field(ge=0, le=10_000_000, max_digits=24, decimal_places=15),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10_000_000}),
]
# A tag's key and value, as key:value.
TagFilter = Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f\x7f]{1,64}:[^\x00-\x1f\x7f]{1,128}$")]

EVENT_EXAMPLE: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o-mini",
    "input_tokens": 1200,
    "output_tokens": 300,
    "cache_read_tokens": 400,
    "latency_ms": 840.5,
    "project": "search",
    "tags": {"team": "discovery"},
}


class Event(Request):
    """One model call.

    Send the token counts, or the provider's own `response` body. `input_tokens` is the whole prompt, its cached part
    included, for every provider. An `id` makes sending again harmless.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT_EXAMPLE]})

    provider: ProviderName = Field(description="Any name; one nobody knows the prices of is unpriced")
    model: ModelName | None = Field(None, description="As in the provider's answer")
    input_tokens: Tokens | None = Field(None, description="The whole prompt, its cached part included")
    output_tokens: Tokens | None = Field(None, description="All of the answer, reasoning included")
    cache_read_tokens: Tokens = Field(0, description="The part of the prompt read from the provider's cache")
    cache_write_tokens: Tokens = Field(0, description="Written to the cache for five minutes")
    cache_write_1h_tokens: Tokens = Field(0, description="Written to the cache for an hour")
    reasoning_tokens: Tokens = Field(0, description="The part of output_tokens spent on reasoning")
    cost: ReportedCost | None = Field(None, description="USD, if you know better than the price list")
    fallback_cost: ReportedCost | None = Field(
        None, description="USD by your own reckoning; stands if no price is known"
    )
    latency_ms: Milliseconds | None = Field(
        None,
        validation_alias=AliasChoices("latency_ms", "duration_ms"),
        description="From request to last token; also taken as duration_ms",
    )
    status: Status = "success"
    error_message: LongText | None = None
    project: Name | None = Field(None, description="What the call was for; costs are kept by project")
    tags: Annotated[dict[Tag, Name], Field(max_length=8)] = Field(
        {},
        description="Up to 8 short labels of few different values; costs are kept by tag",
        json_schema_extra={"additionalProperties": False},
    )
    metadata: Metadata = Field(None, description="Anything else, up to 16 KiB as JSON; stored only")
    timestamp: Time | None = Field(None, description="When the call was made; now, if left out")
    id: Name | None = Field(None, description="Your own id of this call, or a UUID")
    reservation_id: UUID | None = Field(None, description="The reservation that this call settles")
    response: dict[str, Any] | None = Field(None, description="The provider's response body, instead of the counts")
    api_flavor: Name | None = Field(
        None, description="Which API of the provider the response is from, such as chat or responses, if it is unclear"
    )

    @model_validator(mode="after")
    def _counted_once(self) -> "Event":
        counted = self.input_tokens is not None or self.output_tokens is not None
        if self.response is not None and (counted or self.cached_tokens or self.reasoning_tokens):
            raise ValueError("send either token counts or response, not both")
        if self.response is None and (self.model is None or not counted):
            raise ValueError("model, input_tokens and output_tokens are needed, or response")
        if self.response is None and (self.input_tokens is None or self.output_tokens is None):
            raise ValueError("both input_tokens and output_tokens are needed")
        return self

    @property
    def cached_tokens(self) -> int:
        """The cached part of the prompt, read and written."""
        return self.cache_read_tokens + self.cache_write_tokens + self.cache_write_1h_tokens

    def usage(self) -> Usage:
        """The token counts in disjoint parts. Raises Invalid if they contradict each other."""
        return Usage.of_prompt(
            input_tokens=self.input_tokens or 0,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_5m_tokens=self.cache_write_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=self.reasoning_tokens,
        )


class EventBatch(Request):
    """Up to 1,000 events. Each is checked by itself: the good ones are kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [EVENT_EXAMPLE]}]})

    events: Annotated[list[Any], Field(min_length=1, max_length=1000)] = Field(
        json_schema_extra={"items": {"$ref": "#/components/schemas/Event"}}
    )


class Tracked(Answer):
    """What was stored of an event, or had been stored when it was first sent."""

    event_id: UUID
    user_id: UUID
    provider: str
    model: str
    total_tokens: int
    cost: Usd | None = Field(description="USD; null when no price is known")
    pricing: str = Field(
        description="Which price: 'caller', 'own:' and its id, a price list's entry, a correction, or 'unpriced'"
    )
    tracked_at: datetime
    policy_violations: list[Violation] = Field(
        description="What of the workspace's settings the call broke, as they were when it was tracked"
    )


class Rejection(Answer):
    """An event of a batch that was not stored, and why."""

    index: int
    detail: str


class BatchResult(Answer):
    """What became of a batch."""

    recorded: int
    duplicates: int
    rejected: list[Rejection]


class StoredEvent(Tracked):
    """An event as it is kept."""

    project: str | None
    input_tokens: int = Field(description="The whole prompt, cached parts included")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_detail: dict[str, Any] = Field(description="What the vendor counted beyond these, if anything")
    latency_ms: float | None
    status: Status
    error_message: str | None
    tags: dict[str, str]
    metadata: dict[str, Any]
    timestamp: datetime


class EventDetail(StoredEvent):
    """An event with its rates. They are shown only if they make up the stored cost, so they are always those it had."""

    rates: EventRates | None


class EventPage(Answer):
    """A page of events, newest first."""

    count: int
    events: list[StoredEvent]
    next_cursor: str | None


# Internal values, never sent to a caller


class NewEvent(NamedTuple):
    """An event that is validated, priced and ready to be stored. `metadata` is JSON text, or None."""

    id: UUID
    user_id: UUID
    timestamp: datetime
    provider: str
    model: str
    usage: Usage
    price: Price
    project: str
    status: Status
    latency_ms: float | None
    error_message: str | None
    tags: Mapping[str, str]
    metadata: str | None
    api_key_id: UUID | None
    reservation_id: UUID | None
    policy_violations: Sequence[Violation]


class Duplicate(Row):
    """An event that was stored before, and its position in the list that was sent."""

    position: int
    event: StoredEvent


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list. None matches any; `tag` maps one key to its value."""

    start: datetime | None = None
    end: datetime | None = None
    provider: str | None = None
    model: str | None = None
    project: str | None = None
    status: Status | None = None
    tag: Mapping[str, str] | None = None
    policy_violation: Violation | None = None
    before: tuple[datetime, UUID] | None = None
    limit: int = 50

    def parameters(self) -> dict[str, Any]:
        """The parameters of a SQL function that lists events."""
        before_timestamp, before_id = self.before or (None, None)
        return {
            "start": self.start,
            "end": self.end,
            "provider": self.provider,
            "model": self.model,
            "project": self.project,
            "status": self.status,
            "tag": json.text(self.tag),
            "policy_violation": self.policy_violation,
            "before_timestamp": before_timestamp,
            "before_id": before_id,
            "limit": self.limit,
        }
