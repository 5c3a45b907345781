"""Budgets: limits on the cost of a period."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StringConstraints, WithJsonSchema, model_validator

from models import Answer, ModelPattern, Name, Period, ProviderName, Request, TimeZone, Usd


class BudgetScope(Request):
    """Which calls a budget counts: those that fit every part that is given; {} is the whole workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"project": "search", "model": "gpt-4o*"}]})

    project: Name | None = Field(None, description="Name or id")
    provider: ProviderName | None = None
    model: ModelPattern | None = Field(None, description="A model's name; * stands for anything, up to three times")
    tag: Annotated[str, StringConstraints(pattern=r"^[^=\x00-\x1f\x7f]{1,64}=[^\x00-\x1f\x7f]{1,128}$")] | None = Field(
        None, description="key=value", examples=["team=discovery"]
    )
    api_key: UUID | None = Field(None, description="The id of an API key")


class CustomPeriod(Request):
    """So many days, again and again, from a day on."""

    start: date = Field(examples=["2026-01-15"])
    days: Annotated[int, Field(strict=True, ge=1, le=3660)]


def _rising(values: list[Decimal]) -> list[Decimal]:
    return sorted(set(values))


class BudgetIn(Request):
    """A limit for a period. Setting it again for the same scope and period changes it and keeps its id."""

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
    period: Period = Field("monthly", description="Of the calendar in the time zone `tz`; weeks begin on Monday")
    custom: CustomPeriod | None = Field(None, description="For the period `custom`, and only for that")
    name: Name | None = Field(None, description="What to call it; named after its period if left out")
    scope: BudgetScope = BudgetScope()
    hard: StrictBool = Field(False, description="Whether reservations beyond it are refused")
    thresholds: Annotated[
        list[Annotated[Decimal, Field(gt=0, le=1000, decimal_places=2)]],
        Field(min_length=1, max_length=10),
        AfterValidator(_rising),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
                "minItems": 1,
                "maxItems": 10,
            }
        ),
    ] = Field([50, 80, 100], validate_default=True, description="Percent; each makes one alert per period")
    tz: TimeZone = Field("UTC", description="In which days, weeks and months begin")

    @model_validator(mode="after")
    def _custom_or_not(self) -> "BudgetIn":
        if (self.period == "custom") != (self.custom is not None):
            raise ValueError("custom is needed for the period custom, and only for that")
        return self


class Budget(Answer):
    """A budget and its current period. Spend of 80 % is a warning, of 100 % exceeds it."""

    id: UUID
    user_id: UUID
    name: str
    limit: Usd
    period: Period
    starts_on: date | None = Field(description="Of a custom period, as are the days")
    days: int | None
    scope: dict[str, str]
    hard: bool
    thresholds: list[Usd]
    tz: str
    current_spend: Usd
    reserved: Usd = Field(description="Held by reservations for calls under way")
    remaining: Usd = Field(description="limit - current_spend - reserved; negative when the budget is exceeded")
    percentage_used: Usd
    status: Literal["ok", "warning", "exceeded"]
    unpriced_calls: int = Field(description="Calls of the period without a known price: they are not in the spend")
    period_start: datetime
    period_end: datetime
    created_at: datetime
    updated_at: datetime


class BudgetList(Answer):
    """Every budget of the workspace."""

    budgets: list[Budget]
    total_limits: Usd
    total_spend: Usd
