"""What simulated vendors count and bill. No two calls of a run have equal counts, so that each is known by them."""

from decimal import Decimal
from typing import Any, NamedTuple

_MILLION = 1_000_000


class Rates(NamedTuple):
    """A vendor's list price in USD per million tokens; writes without a price of their own cost as the plain input."""

    input: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    output: Decimal


def _rates(input: str, cache_read: str, cache_write: str, cache_write_1h: str, output: str) -> Rates:
    return Rates(*map(Decimal, (input, cache_read, cache_write, cache_write_1h, output)))


# By the beginning of the name of a model that answers; the longest that fits counts.
_PRICES = {
    "claude-sonnet-4-5": _rates("3", "0.3", "3.75", "6", "15"),
    "claude-haiku-4-5": _rates("1", "0.1", "1.25", "2", "5"),
    "gpt-4o": _rates("2.5", "1.25", "2.5", "2.5", "10"),
    "gpt-4o-mini": _rates("0.15", "0.075", "0.15", "0.15", "0.6"),
    "gpt-5": _rates("1.25", "0.125", "1.25", "1.25", "10"),
    "text-embedding-3-small": _rates("0.02", "0.02", "0.02", "0.02", "0"),
    "gemini-2.5-flash": _rates("0.3", "0.03", "0.3", "0.3", "2.5"),
    "anthropic.claude-sonnet-4-5": _rates("3.3", "0.33", "4.125", "6.6", "16.5"),
}

# Names of models as the vendors answer them, where that is not the requested one.
_ANSWERS = {
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-5": "gpt-5-2025-08-07",
}


class Tokens(NamedTuple):
    """Tokens of one call: the whole prompt and the whole output, and parts of them."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def uncached(self) -> int:
        """The prompt without its cached parts."""
        return self.input - self.cache_read - self.cache_write - self.cache_write_1h


def answering(model: str) -> str:
    """The model that answers a request for this one."""
    return _ANSWERS.get(model, model)


def counted(kind: str, model: str, number: int) -> Tokens:
    """The tokens of the call with that number, which is of a kind such as `messages`."""
    # Steps of four: no client's error by one makes two calls alike.
    step = 4 * number
    if kind == "embeddings":
        return Tokens(300 + step, 0)
    if kind in ("messages", "converse"):
        # The uncached part is sometimes smaller than the cached one and sometimes larger, so that no reader can guess
        # whether a count includes the cached part.
        uncached = 205 if number % 2 else 2205
        return Tokens(uncached + 1700 + step, 100 + step, 1000 + number, 400, 300)
    reasons = model.startswith(("gpt-5", "gemini"))
    return Tokens(1805 + step, 100 + step, 1024 + number, reasoning=64 + number if reasons else 0)


def cost(model: str, tokens: Tokens) -> Decimal:
    """What the vendor bills for these tokens, in USD."""
    rates = _PRICES[max((name for name in _PRICES if model.startswith(name)), key=len)]
    total = (
        tokens.uncached * rates.input
        + tokens.cache_read * rates.cache_read
        + tokens.cache_write * rates.cache_write
        + tokens.cache_write_1h * rates.cache_write_1h
        + tokens.output * rates.output
    )
    return total / _MILLION


def openai_chat(tokens: Tokens) -> dict[str, Any]:
    """The usage of a chat completion."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def openai_responses(tokens: Tokens) -> dict[str, Any]:
    """The usage of a response of OpenAI's Responses API."""
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cache_read},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def openai_embeddings(tokens: Tokens) -> dict[str, Any]:
    """The usage of embeddings."""
    return {"prompt_tokens": tokens.input, "total_tokens": tokens.input}


def anthropic(tokens: Tokens) -> dict[str, Any]:
    """The usage of a message; the cached parts are beside the input."""
    return {
        "input_tokens": tokens.uncached,
        "cache_creation_input_tokens": tokens.cache_write + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def gemini(tokens: Tokens) -> dict[str, Any]:
    """The usage of Gemini; the reasoning is beside the candidates."""
    return {
        "promptTokenCount": tokens.input,
        "cachedContentTokenCount": tokens.cache_read,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.input}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.cache_read}],
    }


def bedrock(tokens: Tokens) -> dict[str, Any]:
    """The usage of Bedrock's Converse API; the cached parts are beside the input."""
    return {
        "inputTokens": tokens.uncached,
        "outputTokens": tokens.output,
        "totalTokens": tokens.input + tokens.output,
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": tokens.cache_write + tokens.cache_write_1h,
        "cacheDetails": [
            {"inputTokens": tokens.cache_write, "ttl": "5m"},
            {"inputTokens": tokens.cache_write_1h, "ttl": "1h"},
        ],
    }
