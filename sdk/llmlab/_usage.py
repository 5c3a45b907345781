"""What a vendor's answer says of the tokens it took, and nothing else of it.

Whatever came back from a call is read as one of these, in this order:

1. a pair whose second part is a usage: what the user's function returns as `(result, usage)`;
2. an object or a mapping with a usage in it, under one of the names of `_PLACES`;
3. an event of a stream that wraps such an object in `message` or `response`;
4. a mapping that is itself a usage, in LLMLab's names or a vendor's.

Objects may be pydantic models, dataclasses or anything with attributes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

# Where vendors put their usage: attribute or key, and its name on the wire.
_PLACES = (
    ("usage", "usage"),
    ("usage_metadata", "usageMetadata"),
    ("usageMetadata", "usageMetadata"),
    ("usage_info", "usage_info"),
    ("meta", "meta"),
)
_MODELS = (("model", "model"), ("model_version", "modelVersion"), ("modelVersion", "modelVersion"))
_IDS = ("id", "response_id", "responseId")
_WRAPPERS = ("message", "response")
_NESTED = ("response", "result")
_PICKED = ("model", "model_version", "modelVersion", "usage", "usage_metadata", "usageMetadata", "usage_info", "meta")
# What a usage is not.
_NO_USAGE = (str, bytes, bool, int, float, list, tuple)
_OURS = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
    }
)
# The only words in a usage that say what its numbers count.
_WORDS = frozenset({"modality", "ttl"})
_LONGEST_WORD = 16
_DEEPEST = 5


class Reading(NamedTuple):
    """What was found: model and usage of an answer as they came, for `excerpt` to clean, or counts in our names."""

    response: Mapping[str, Any] | None = None
    usage: Mapping[str, int] | None = None
    model: str | None = None
    call_id: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """The counts in our names, however they were read; empty if there are none."""
        return self.usage if self.usage is not None else counts(excerpt(self.response or {}))


def read(answer: Any) -> Reading | None:
    """The usage that came with an answer; None if there is none that can be read."""
    if isinstance(answer, tuple) and len(answer) == 2:
        return _pair(*answer)
    if isinstance(answer, Mapping) and not isinstance(answer, dict):
        answer = dict(answer)
    found = _container(answer)
    if found is not None:
        return found
    for name in _WRAPPERS:
        inner = _get(answer, name)
        found = None if inner is None or isinstance(inner, str) else _container(inner)
        if found is not None:
            return found
    return Reading(usage=given) if (given := _as_counts(answer)) else None


class Stream:
    """The usage of a stream of chunks: each may count anew, so the largest of every count is kept."""

    def __init__(self) -> None:
        self._response: dict[str, Any] | None = None
        self._usage: dict[str, int] = {}
        self._model: str | None = None
        self._call_id: str | None = None

    def look(self, chunk: Any) -> None:
        """Takes in a chunk."""
        found = read(chunk)
        if found is None:
            return
        self._model = found.model or self._model
        self._call_id = self._call_id or found.call_id
        if found.response is not None:
            self._response = cast("dict[str, Any]", most(self._response or {}, excerpt(found.response)))
        if found.usage is not None:
            self._usage = cast("dict[str, int]", most(self._usage, found.usage))

    def reading(self) -> Reading | None:
        """What all the chunks together say."""
        if self._usage:
            return Reading(usage=self._usage, model=self._model, call_id=self._call_id)
        if self._response is not None:
            return Reading(response=self._response, model=self._model, call_id=self._call_id)
        return None


def most(one: Any, other: Any) -> Any:
    """Two reports of the same usage as one: the larger of each number, and what only one of them has."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: most(one[key], value) if key in one else value for key, value in other.items()}}
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return max(one, other)
    return other


def pick(response: Mapping[str, Any]) -> dict[str, Any]:
    """Of a vendor's response body the parts that `excerpt` looks at: the rest need not be kept until then."""
    picked = {name: response[name] for name in _PICKED if name in response}
    for name in _NESTED:
        if isinstance(inner := response.get(name), Mapping):
            picked[name] = pick(inner)
    return picked


def excerpt(response: Mapping[str, Any]) -> dict[str, Any]:
    """Of a vendor's response body its model and usage as on the wire, never text."""
    kept: dict[str, Any] = {}
    for name, spelt in _MODELS:
        if isinstance(model := response.get(name), str) and model:
            kept[spelt] = model
    for name, spelt in _PLACES:
        usage = _mapping(response.get(name))
        if usage is not None and spelt == "meta":
            usage = {key: value for key, value in usage.items() if key in ("billed_units", "tokens")}
        if usage is not None and (told := _on_the_wire(usage)):
            kept[spelt] = told
    for name in _NESTED:
        if isinstance(inner := response.get(name), Mapping) and (told := excerpt(inner)):
            kept[name] = told
    return kept


def has_usage(told: Mapping[str, Any]) -> bool:
    """Whether an excerpt has a usage in it."""
    return any(spelt in told for _, spelt in _PLACES) or any(has_usage(told[name]) for name in _NESTED if name in told)


def counts(response: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a response body in our names, as well as they can be told without its vendor."""
    usage = next((response[spelt] for _, spelt in _PLACES if isinstance(response.get(spelt), Mapping)), None)
    if usage is None:
        inner = next((response[name] for name in _NESTED if isinstance(response.get(name), dict)), None)
        return {} if inner is None else counts(inner)
    if isinstance(usage.get("billed_units") or usage.get("tokens"), Mapping):
        usage = usage.get("billed_units") or usage["tokens"]
    found = _counts(usage)
    return {key: value for key, value in found.items() if value or key in ("input_tokens", "output_tokens")}


def _pair(result: Any, usage: Any) -> Reading | None:
    given = _as_counts(usage)
    if given:
        return Reading(usage=given)
    found = _container(usage)
    if found is None and (told := _mapping(usage)) is not None:
        # Perhaps the vendor's own usage, taken off its response.
        found = Reading({"usageMetadata" if _is_google(told) else "usage": told})
    return found if found is not None and found.counts else read(result)


def _container(answer: Any) -> Reading | None:
    """Finds the usage in an answer and looks no further: the caller waits."""
    if answer is None or isinstance(answer, _NO_USAGE):
        return None
    found: dict[str, Any] = {}
    for name, spelt in _PLACES:
        usage = _get(answer, name)
        if usage is not None and not isinstance(usage, _NO_USAGE) and not callable(usage):
            found[spelt] = dict(usage) if isinstance(usage, dict) else usage
            break
    else:
        return None
    model = None
    for name, spelt in _MODELS:
        if isinstance(value := _get(answer, name), str) and value:
            found[spelt] = model = value
            break
    for name in _IDS:
        if isinstance(value := _get(answer, name), str) and value:
            return Reading(found, None, model, value)
    return Reading(found, None, model)


def _get(answer: Any, name: str) -> Any:
    if isinstance(answer, dict):
        return answer.get(name)
    return getattr(answer, name, None)


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """A usage as a mapping, with the names it has on the wire."""
    if value is None or isinstance(value, (str, bytes, int, float, Sequence)):
        return None
    if isinstance(value, Mapping):
        return value
    for dump in ("model_dump", "dict"):
        if callable(method := getattr(type(value), dump, None)):
            return cast("Mapping[str, Any]", method(value, by_alias=True, exclude_none=True))
    try:
        return cast("Mapping[str, Any]", vars(value))
    except TypeError:
        return None


def _as_counts(value: Any) -> dict[str, int] | None:
    """A mapping or an object that holds counts in our names only, or the two of them that most others use."""
    told = _mapping(value)
    if told is None:
        return None
    told = {key: count for key, count in told.items() if isinstance(key, str) and count is not None}
    if "input_tokens" not in told and "prompt_tokens" not in told:
        return None
    if told.keys() <= _OURS and all(_is_count(count) for count in told.values()):
        return {key: int(count) for key, count in told.items()}
    if told.keys() <= {"prompt_tokens", "completion_tokens", "total_tokens"}:
        return _counts(told)
    return None


def _counts(usage: Mapping[str, Any]) -> dict[str, int]:
    def count(*path: str) -> int:
        value: Any = usage
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return int(value) if _is_count(value) else 0

    def has(*keys: str) -> bool:
        return any(_is_count(usage.get(key)) for key in keys)

    if has("promptTokenCount", "totalTokenCount"):
        return {
            "input_tokens": count("promptTokenCount") + count("toolUsePromptTokenCount"),
            "output_tokens": count("candidatesTokenCount") + count("thoughtsTokenCount"),
            "cache_read_tokens": count("cachedContentTokenCount"),
            "reasoning_tokens": count("thoughtsTokenCount"),
        }
    if has("prompt_tokens", "completion_tokens"):
        return {
            "input_tokens": count("prompt_tokens"),
            "output_tokens": count("completion_tokens"),
            "cache_read_tokens": count("prompt_tokens_details", "cached_tokens"),
            "reasoning_tokens": count("completion_tokens_details", "reasoning_tokens"),
        }
    if has("inputTokens", "outputTokens"):
        read, written = count("cacheReadInputTokens"), count("cacheWriteInputTokens")
        return {
            "input_tokens": count("inputTokens") + read + written,
            "output_tokens": count("outputTokens"),
            "cache_read_tokens": read,
            "cache_write_tokens": written,
        }
    if has("input_tokens", "output_tokens"):
        # Anthropic's input leaves out the cached parts; OpenAI's has them in it.
        read, written = count("cache_read_input_tokens"), count("cache_creation_input_tokens")
        hour = count("cache_creation", "ephemeral_1h_input_tokens")
        return {
            "input_tokens": count("input_tokens") + read + written,
            "output_tokens": count("output_tokens"),
            "cache_read_tokens": read or count("cache_read_tokens") or count("input_tokens_details", "cached_tokens"),
            "cache_write_tokens": max(written - hour, 0) or count("cache_write_tokens"),
            "cache_write_1h_tokens": hour or count("cache_write_1h_tokens"),
            "reasoning_tokens": count("reasoning_tokens") or count("output_tokens_details", "reasoning_tokens"),
        }
    return {}


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_google(usage: Mapping[str, Any]) -> bool:
    return any(key in usage for key in ("prompt_token_count", "promptTokenCount", "total_token_count"))


def _on_the_wire(usage: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", _numbers(usage, _is_google(usage), 0) or {})


def _numbers(value: Any, camel: bool, depth: int) -> Any:
    """The numbers in a value, with their names; None for what holds none."""
    if _is_count(value):
        return value
    if depth >= _DEEPEST:
        return None
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, inner in value.items():
            if not isinstance(key, str):
                continue
            if key in _WORDS and isinstance(inner, str):
                told: Any = str.__str__(inner)[:_LONGEST_WORD]
            else:
                told = _numbers(inner, camel, depth + 1)
            if told is not None:
                found[re.sub("_([a-z])", lambda letter: letter[1].upper(), key) if camel else key] = told
        return found or None
    if isinstance(value, (list, tuple)):
        return [told for inner in value if (told := _numbers(inner, camel, depth + 1)) is not None] or None
    return _numbers(told, camel, depth) if (told := _mapping(value)) is not None else None
