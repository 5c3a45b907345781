"""Reads the token usage of a provider's answer.

The answer is read as the first of these that applies:

1. a pair `(result, usage)` whose second part is a usage;
2. an object or mapping that contains a usage under one of the names in `_PLACES`;
3. a stream event that wraps such an object in `message` or `response`;
4. a mapping that is itself a usage, in LLMLab's names or a provider's.

Objects may be pydantic models, dataclasses or anything with attributes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

# Attributes and keys that contain the usage, with the name in the provider's JSON.
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
_NOT_USAGE = (str, bytes, bool, int, float, list, tuple)
_COUNT_NAMES = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
    }
)
# Keys of a usage whose values are text and tell what its numbers count.
_TEXT_KEYS = frozenset({"modality", "ttl"})
_MAX_TEXT_LENGTH = 16
_MAX_DEPTH = 5


class Reading(NamedTuple):
    """The model and usage of an answer: the raw response for `excerpt`, or counts in LLMLab's names."""

    response: Mapping[str, Any] | None = None
    usage: Mapping[str, int] | None = None
    model: str | None = None
    call_id: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """The counts in LLMLab's names; empty if there are none."""
        return self.usage if self.usage is not None else counts(excerpt(self.response or {}))


def read(answer: Any) -> Reading | None:
    """The usage of an answer; None if it has none that can be read."""
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
    """The usage of a stream. Chunks may repeat counts, so the largest value of each is kept."""

    def __init__(self) -> None:
        self._response: dict[str, Any] | None = None
        self._usage: dict[str, int] = {}
        self._model: str | None = None
        self._call_id: str | None = None

    def add(self, chunk: Any) -> None:
        """Adds the usage of a chunk."""
        found = read(chunk)
        if found is None:
            return
        self._model = found.model or self._model
        self._call_id = self._call_id or found.call_id
        if found.response is not None:
            self._response = cast("dict[str, Any]", merge(self._response or {}, excerpt(found.response)))
        if found.usage is not None:
            self._usage = cast("dict[str, int]", merge(self._usage, found.usage))

    def reading(self) -> Reading | None:
        """The usage of all chunks; None if no chunk had one."""
        if self._usage:
            return Reading(usage=self._usage, model=self._model, call_id=self._call_id)
        if self._response is not None:
            return Reading(response=self._response, model=self._model, call_id=self._call_id)
        return None


def merge(one: Any, other: Any) -> Any:
    """Merges two reports of the same usage: the larger of each number, and all keys of both."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: merge(one[key], value) if key in one else value for key, value in other.items()}}
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return max(one, other)
    return other


def pick(response: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a provider's response that `excerpt` reads, to free the rest early."""
    picked = {name: response[name] for name in _PICKED if name in response}
    for name in _NESTED:
        if isinstance(inner := response.get(name), Mapping):
            picked[name] = pick(inner)
    return picked


def excerpt(response: Mapping[str, Any]) -> dict[str, Any]:
    """The model and usage of a provider's response, named as in its JSON. Contains no text of prompts or answers."""
    kept: dict[str, Any] = {}
    for name, json_name in _MODELS:
        if isinstance(model := response.get(name), str) and model:
            kept[json_name] = model
    for name, json_name in _PLACES:
        usage = _mapping(response.get(name))
        if usage is not None and json_name == "meta":
            usage = {key: value for key, value in usage.items() if key in ("billed_units", "tokens")}
        if usage is not None and (numbers := _json_numbers(usage)):
            kept[json_name] = numbers
    for name in _NESTED:
        if isinstance(inner := response.get(name), Mapping) and (nested := excerpt(inner)):
            kept[name] = nested
    return kept


def has_usage(kept: Mapping[str, Any]) -> bool:
    """Whether an excerpt contains a usage."""
    return any(name in kept for _, name in _PLACES) or any(has_usage(kept[name]) for name in _NESTED if name in kept)


def counts(response: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a response in LLMLab's names, derived from the names of its fields."""
    usage = next((response[name] for _, name in _PLACES if isinstance(response.get(name), Mapping)), None)
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
    if found is None and (mapping := _mapping(usage)) is not None:
        # It may be the provider's own usage without its response.
        found = Reading({"usageMetadata" if _is_google(mapping) else "usage": mapping})
    return found if found is not None and found.counts else read(result)


def _container(answer: Any) -> Reading | None:
    """Finds the usage in an answer without converting it, because this runs in the caller's thread."""
    if answer is None or isinstance(answer, _NOT_USAGE):
        return None
    found: dict[str, Any] = {}
    for name, json_name in _PLACES:
        usage = _get(answer, name)
        if usage is not None and not isinstance(usage, _NOT_USAGE) and not callable(usage):
            found[json_name] = dict(usage) if isinstance(usage, dict) else usage
            break
    else:
        return None
    model = None
    for name, json_name in _MODELS:
        if isinstance(value := _get(answer, name), str) and value:
            found[json_name] = model = value
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
    """The usage as a mapping with the names in the provider's JSON; None if it is not an object."""
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
    """Counts from an object with only LLMLab's names, or only prompt, completion and total tokens; else None."""
    usage = _mapping(value)
    if usage is None:
        return None
    usage = {key: count for key, count in usage.items() if isinstance(key, str) and count is not None}
    if "input_tokens" not in usage and "prompt_tokens" not in usage:
        return None
    if usage.keys() <= _COUNT_NAMES and all(_is_count(count) for count in usage.values()):
        return {key: int(count) for key, count in usage.items()}
    if usage.keys() <= {"prompt_tokens", "completion_tokens", "total_tokens"}:
        return _counts(usage)
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
        # Anthropic's input_tokens do not include cached tokens; OpenAI's do.
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


def _json_numbers(usage: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", _numbers(usage, _is_google(usage), 0) or {})


def _numbers(value: Any, camel: bool, depth: int) -> Any:
    """The numbers in a value with their keys, in camel case if `camel`; None if it contains no number."""
    if (type(value) is int and value >= 0) or _is_count(value):
        return value
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, inner in value.items():
            if not isinstance(key, str):
                continue
            if key in _TEXT_KEYS and isinstance(inner, str):
                kept: Any = str.__str__(inner)[:_MAX_TEXT_LENGTH]
            else:
                kept = _numbers(inner, camel, depth + 1)
            if kept is not None:
                found[re.sub("_([a-z])", lambda letter: letter[1].upper(), key) if camel else key] = kept
        return found or None
    if isinstance(value, (list, tuple)):
        return [kept for inner in value if (kept := _numbers(inner, camel, depth + 1)) is not None] or None
    return _numbers(mapping, camel, depth) if (mapping := _mapping(value)) is not None else None
