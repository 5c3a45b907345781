"""Events: records of model calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field, StrictBool, StringConstraints, WithJsonSchema, model_validator

from models import (
    NO_CONTROL_CHARACTERS,
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
# Shorter ones are not unique: some servers count from 1. Gateways build long ones around the provider's own.
ResponseId = Annotated[str, StringConstraints(min_length=16, max_length=1024, pattern=NO_CONTROL_CHARACTERS)]
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

    Send token counts, or the provider's `response` body. `input_tokens` is the whole prompt including its cached part,
    for every provider. With an `id`, an event can be sent again safely.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT_EXAMPLE]})

    provider: ProviderName = Field(
        description="Any name of the provider; the event has the one of the price list. Calls of a provider without "
        "known prices are unpriced"
    )
    model: ModelName | None = Field(None, description="Model name as in the provider's response")
    input_tokens: Tokens | None = Field(None, description="Tokens of the whole prompt, cached part included")
    output_tokens: Tokens | None = Field(None, description="Tokens of the whole output, reasoning included")
    cache_read_tokens: Tokens = Field(0, description="Part of the prompt read from the provider's cache")
    cache_write_tokens: Tokens = Field(0, description="Part of the prompt written to the cache for 5 minutes")
    cache_write_1h_tokens: Tokens = Field(0, description="Part of the prompt written to the cache for 1 hour")
    reasoning_tokens: Tokens = Field(0, description="Part of output_tokens used for reasoning")
    cost: ReportedCost | None = Field(None, description="Actual cost in USD; overrides the price list")
    fallback_cost: ReportedCost | None = Field(None, description="Estimated cost in USD; used when no price is known")
    latency_ms: Milliseconds | None = Field(
        None,
        validation_alias=AliasChoices("latency_ms", "duration_ms"),
        description="From the request to the last token; also accepted as duration_ms",
    )
    status: Status = "success"
    error_message: LongText | None = None
    project: Name | None = Field(None, description="Purpose of the call; costs are totalled by project")
    tags: Annotated[dict[Tag, Name], Field(max_length=8)] = Field(
        {},
        description="Up to 8 labels with few different values; costs are totalled by tag",
        json_schema_extra={"additionalProperties": False},
    )
    metadata: Metadata = Field(None, description="Any JSON object up to 16 KiB; stored, not analysed")
    timestamp: Time | None = Field(None, description="Time of the call; defaults to now")
    id: Name | None = Field(None, description="Your id of this call, or a UUID. An event sent again changes nothing")
    response_id: ResponseId | None = Field(
        None,
        description="The provider's id of its response, which then counts instead of `id`. Events of the same response "
        "are one call, which has what any of them reported",
    )
    reservation_id: UUID | None = Field(None, description="Reservation that this call settles")
    unchecked: StrictBool = Field(
        False, description="Whether the call was made without a reservation, because LLMLab did not answer"
    )
    response: dict[str, Any] | None = Field(None, description="The provider's response body, instead of token counts")
    api_flavor: Name | None = Field(
        None, description="API of the provider that the response is from, such as chat or responses, if it is ambiguous"
    )

    @model_validator(mode="after")
    def _check_counts(self) -> "Event":
        counted = self.input_tokens is not None or self.output_tokens is not None
        if self.response is not None and (counted or self.cached_tokens or self.reasoning_tokens):
            raise ValueError("send either token counts or response, not both")
        if self.response is None and (self.model is None or not counted):
            raise ValueError("model, input_tokens and output_tokens are required, or response")
        if self.response is None and (self.input_tokens is None or self.output_tokens is None):
            raise ValueError("both input_tokens and output_tokens are required")
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
    """Up to 1,000 events. Each is validated separately; valid events are recorded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [EVENT_EXAMPLE]}]})

    events: Annotated[list[Any], Field(min_length=1, max_length=1000)] = Field(
        json_schema_extra={"items": {"$ref": "#/components/schemas/Event"}}
    )


class Tracked(Answer):
    """A recorded event; for an event sent again, as first recorded."""

    event_id: UUID
    user_id: UUID
    provider: str
    model: str
    total_tokens: int
    cost: Usd | None = Field(description="USD; null without a known price")
    pricing: str = Field(
        description="Source of the price: 'caller', 'own:' and its id, an entry of the price list, a correction, or "
        "'unpriced'"
    )
    tracked_at: datetime
    policy_violations: list[Violation] = Field(
        description="Rules of the settings that the call violates, as of the time it was recorded"
    )


class Rejection(Answer):
    """An event of a batch that was not recorded, and the reason."""

    index: int
    detail: str


class BatchResult(Answer):
    """The result of a batch."""

    recorded: int
    duplicates: int
    rejected: list[Rejection]


class StoredEvent(Tracked):
    """An event as it is stored."""

    project: str | None
    input_tokens: int = Field(description="Tokens of the whole prompt, cached parts included")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_detail: dict[str, Any] = Field(description="Other usage that the provider reported")
    latency_ms: float | None
    status: Status
    error_message: str | None
    tags: dict[str, str]
    metadata: dict[str, Any]
    timestamp: datetime
    reservation_id: UUID | None = Field(description="Reservation that the call has settled")
    unchecked: bool = Field(
        description="Whether the call was made without a reservation, because LLMLab did not answer"
    )
    corrected_at: datetime | None = Field(
        description="When another report of the same call last corrected this event; null if none did"
    )


class EventDetail(StoredEvent):
    """An event with its rates, which are null if they do not reproduce its cost."""

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
    unchecked: bool
    policy_violations: Sequence[Violation]
    # The caller's own figures for the cost: the actual one, and the one for a model without a price.
    cost: Decimal | None
    fallback_cost: Decimal | None
    # Whether the id is the provider's. Then a stored event with that id is completed, and not only repeated.
    is_response: bool


class Correction(NamedTuple):
    """The new values of an event, whose `corrected_at` is still this one."""

    event: NewEvent
    corrected_at: datetime | None


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
