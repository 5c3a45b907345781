"""Custom prices: negotiated prices of a workspace, which replace list prices."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from models import Answer, ModelPattern, ProviderName, Request, Time, Usd

OwnRate = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000, max_digits=24, decimal_places=12),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000}),
]


class CustomPriceIn(Request):
    """A custom price: a percentage of the list price, or rates in USD per million tokens."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"provider": "openai", "model": "gpt-4o*", "percent_of_list": 80},
                {"provider": "my-gpu", "model": "llama-3.3-70b", "input": 0.25, "output": 0.75},
            ]
        }
    )

    provider: ProviderName
    model: ModelPattern = Field(
        description="Model name; * is a wildcard, allowed up to three times. The longest match is used"
    )
    starts_at: Time | None = Field(
        None, description="Start; defaults to now. Events recorded before the price was added keep their cost"
    )
    ends_at: Time | None = Field(None, description="End; open-ended if omitted")
    percent_of_list: (
        Annotated[
            Decimal,
            Field(ge=0, le=1000, decimal_places=6),
            WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1000}),
        ]
        | None
    ) = Field(None, description="80 is a discount of 20%; calls without a list price stay unpriced")
    input: OwnRate | None = Field(None, description="USD per million uncached prompt tokens")
    cache_read: OwnRate | None = Field(None, description="Defaults to input")
    cache_write: OwnRate | None = Field(None, description="Writes for 5 minutes; defaults to input")
    cache_write_1h: OwnRate | None = Field(None, description="Writes for 1 hour; defaults to cache_write")
    output: OwnRate | None = Field(None, description="USD per million output tokens")
    reasoning: OwnRate | None = Field(None, description="Defaults to output")
    request: OwnRate | None = Field(None, description="USD per call; defaults to 0")

    @model_validator(mode="after")
    def _check_rates(self) -> "CustomPriceIn":
        rates = (self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.output, self.reasoning)
        absolute = any(rate is not None for rate in (*rates, self.request))
        if absolute == (self.percent_of_list is not None):
            raise ValueError("send either percent_of_list or rates")
        if absolute and (self.input is None or self.output is None):
            raise ValueError("both input and output are required")
        return self


class CustomPrice(Answer):
    """A custom price of the workspace. Rates are USD per million tokens; `request` is USD per call."""

    id: UUID
    provider: str
    model: str
    starts_at: datetime
    ends_at: datetime | None
    percent_of_list: Usd | None
    input: Usd | None
    cache_read: Usd | None
    cache_write: Usd | None
    cache_write_1h: Usd | None
    output: Usd | None
    reasoning: Usd | None
    request: Usd | None
    created_by: UUID
    created_at: datetime


class CustomPriceList(Answer):
    """The workspace's custom prices, newest first."""

    prices: list[CustomPrice]


class PriceEnd(Request):
    """A new end of a price."""

    ends_at: Time
