"""Own prices: what a workspace has agreed with a provider, instead of the list price."""

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


class OwnPriceIn(Request):
    """A price of your own: either a percentage of the list price, or rates in USD per million tokens."""

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
        description="A model's name; * stands for anything, up to three times. The longest that fits is used"
    )
    starts_at: Time | None = Field(
        None, description="From when on; now, if left out. Events sent before it was added keep their price"
    )
    ends_at: Time | None = Field(None, description="Until when; without end, if left out")
    percent_of_list: (
        Annotated[
            Decimal,
            Field(ge=0, le=1000, decimal_places=6),
            WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1000}),
        ]
        | None
    ) = Field(None, description="80 is a fifth off; without a list price the call stays unpriced")
    input: OwnRate | None = Field(None, description="Per million tokens of the uncached prompt")
    cache_read: OwnRate | None = Field(None, description="As input, if left out")
    cache_write: OwnRate | None = Field(None, description="For five minutes; as input, if left out")
    cache_write_1h: OwnRate | None = Field(None, description="As cache_write, if left out")
    output: OwnRate | None = Field(None, description="Per million tokens of the output")
    reasoning: OwnRate | None = Field(None, description="As output, if left out")
    request: OwnRate | None = Field(None, description="Per call; 0, if left out")

    @model_validator(mode="after")
    def _one_kind(self) -> "OwnPriceIn":
        rates = (self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.output, self.reasoning)
        absolute = any(rate is not None for rate in (*rates, self.request))
        if absolute == (self.percent_of_list is not None):
            raise ValueError("send either percent_of_list or rates")
        if absolute and (self.input is None or self.output is None):
            raise ValueError("both input and output are needed")
        return self


class OwnPrice(Answer):
    """A price of the workspace's own. USD per million tokens; `request` is USD per call."""

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


class OwnPriceList(Answer):
    """The workspace's own prices, newest first."""

    prices: list[OwnPrice]


class PriceEnd(Request):
    """When a price ends."""

    ends_at: Time
