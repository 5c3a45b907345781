"""Token counts of a call, and the rates and prices that apply to them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from models import Answer, Usd
from utils.errors import Invalid


class EventRates(Answer):
    """USD per million tokens of each kind, null if not listed; `request` is USD per request."""

    input: Usd | None
    cache_read: Usd | None
    cache_write: Usd | None
    cache_write_1h: Usd | None
    output: Usd | None
    reasoning: Usd | None
    request: Usd

    @classmethod
    def of(cls, rates: "Rates") -> "EventRates":
        """Converts rates per token."""

        def million(rate: Decimal | None) -> Decimal | None:
            return None if rate is None else rate * 1_000_000

        return cls(
            input=million(rates.input),
            cache_read=million(rates.cache_read),
            cache_write=million(rates.cache_write_5m),
            cache_write_1h=million(rates.cache_write_1h),
            output=million(rates.output),
            reasoning=million(rates.reasoning),
            request=rates.request,
        )


# Internal values, never sent to a caller


class Usage(NamedTuple):
    """Token counts of one call in disjoint parts. Only `reasoning_tokens` overlaps: it is part of the output.

    `detail` is empty unless the vendor counted anything else (audio, images, searches). Then it holds the whole
    report under the price list's usage keys, and the price is computed from it.
    """

    input_tokens: int
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    detail: Mapping[str, Any] = {}

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt, including its cached parts."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt plus output."""
        return self.prompt_tokens + self.output_tokens

    @classmethod
    def of_prompt(
        cls,
        *,
        input_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_5m_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        output_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> "Usage":
        """A usage from counts whose `input_tokens` is the whole prompt. Raises Invalid if a part exceeds its whole."""
        cached = cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens
        if cached > input_tokens:
            raise Invalid(
                f"The cached part of the prompt ({cached} tokens) is larger than input_tokens ({input_tokens}), "
                "which counts the whole prompt",
                loc=("body", "input_tokens"),
            )
        if reasoning_tokens > output_tokens:
            raise Invalid(
                f"reasoning_tokens ({reasoning_tokens}) is larger than output_tokens ({output_tokens}), "
                "which include them",
                loc=("body", "reasoning_tokens"),
            )
        if cache_write_5m_tokens < 0:
            raise Invalid("The tokens written to the cache for an hour exceed all tokens written to it")
        return cls(
            input_tokens - cached,
            cache_read_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            output_tokens,
            reasoning_tokens,
        )


class Price(NamedTuple):
    """The cost of a call in USD, None if no price is known, and the source of the price."""

    cost: Decimal | None
    pricing: str


class Rates(NamedTuple):
    """USD per token for each part of a usage, and per request. None where no price is listed."""

    input: Decimal | None
    cache_read: Decimal | None
    cache_write_5m: Decimal | None
    cache_write_1h: Decimal | None
    output: Decimal | None
    reasoning: Decimal | None
    request: Decimal

    def cost(self, usage: Usage) -> Decimal | None:
        """The cost of a usage in USD. Parts without a rate count as 0; None if that leaves nothing."""
        total = self.request
        unknown = False
        for tokens, rate in (
            (usage.input_tokens, self.input),
            (usage.cache_read_tokens, self.cache_read),
            (usage.cache_write_5m_tokens, self.cache_write_5m),
            (usage.cache_write_1h_tokens, self.cache_write_1h),
            (usage.output_tokens - usage.reasoning_tokens, self.output),
            (usage.reasoning_tokens, self.reasoning),
        ):
            if tokens:
                if rate is None:
                    unknown = True
                else:
                    total += rate * tokens
        return None if unknown and not total else total
