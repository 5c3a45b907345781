"""Budgets: limits on the cost of a period."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StringConstraints, WithJsonSchema, model_validator

from models import Answer, ModelPattern, Name, Period, ProviderName, Request, TimeZone, Usd


class BudgetScope(Request):
    """The calls that a budget counts: those that match all given fields; {} is the whole workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"project": "search", "model": "gpt-4o*"}]})

    project: Name | None = Field(None, description="Name or id")
    provider: ProviderName | None = None
    model: ModelPattern | None = Field(None, description="Model name; * is a wildcard, allowed up to three times")
    tag: Annotated[str, StringConstraints(pattern=r"^[^=\x00-\x1f\x7f]{1,64}=[^\x00-\x1f\x7f]{1,128}$")] | None = Field(
        None, description="key=value", examples=["team=discovery"]
    )
    api_key: UUID | None = Field(None, description="The id of an API key")


class CustomPeriod(Request):
    """Consecutive periods of a number of days, from a first day on."""

    start: date = Field(examples=["2026-01-15"])
    days: Annotated[int, Field(strict=True, ge=1, le=3660)]


def _sorted_unique(values: list[Decimal]) -> list[Decimal]:
    return sorted(set(values))


class BudgetIn(Request):
    """A spending limit. Setting it again for the same scope and period updates it and keeps its id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"limit": 500, "period": "monthly", "name": "Everything", "tz": "Europe/Berlin"}]
        }
    )

    limit: Annotated[
        Decimal,
        Field(gt=0, le=1_000_000_000, max_digits=21, decimal_places=12),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000}),
    ] = Field(description="USD")
    period: Period = Field("monthly", description="Calendar period in the time zone `tz`; weeks begin on Monday")
    custom: CustomPeriod | None = Field(None, description="Required for the period `custom`, not allowed otherwise")
    name: Name | None = Field(None, description="Defaults to the name of the period")
    scope: BudgetScope = BudgetScope()
    hard: StrictBool = Field(False, description="Refuse reservations that exceed the limit")
    thresholds: Annotated[
        list[Annotated[Decimal, Field(gt=0, le=1000, decimal_places=2)]],
        Field(min_length=1, max_length=10),
        AfterValidator(_sorted_unique),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
                "minItems": 1,
                "maxItems": 10,
            }
        ),
    ] = Field(
        [50, 80, 100], validate_default=True, description="Percentages of the limit; each creates one alert per period"
    )
    tz: TimeZone = Field("UTC", description="Time zone in which days, weeks and months begin")

    @model_validator(mode="after")
    def _check_custom_period(self) -> "BudgetIn":
        if (self.period == "custom") != (self.custom is not None):
            raise ValueError("custom is required for the period custom, and not allowed otherwise")
        return self


class Budget(Answer):
    """A budget and its current period. Its status is warning from 80% of the limit on, exceeded from 100%."""

    id: UUID
    user_id: UUID
    name: str
    limit: Usd
    period: Period
    starts_on: date | None = Field(description="First day of a custom period, else null, as `days` is")
    days: int | None
    scope: dict[str, str]
    hard: bool
    thresholds: list[Usd]
    tz: str
    current_spend: Usd
    reserved: Usd = Field(description="Held by reservations for calls in progress")
    remaining: Usd = Field(description="limit - current_spend - reserved; negative when the budget is exceeded")
    percentage_used: Usd
    status: Literal["ok", "warning", "exceeded"]
    unpriced_calls: int = Field(description="Calls of the period without a known price; not part of the spend")
    unchecked_calls: int = Field(
        description="Calls of the period that an application made without a reservation, because LLMLab did not answer"
    )
    period_start: datetime
    period_end: datetime
    created_at: datetime
    updated_at: datetime


class BudgetList(Answer):
    """All budgets of the workspace."""

    budgets: list[Budget]
    total_limits: Usd
    total_spend: Usd
