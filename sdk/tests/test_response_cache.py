"""With enable_caching, a repeated call is answered from memory and recorded as free."""

from collections.abc import Callable, Generator
from decimal import Decimal
from typing import Any

import pytest

import llmlab
from llmlab._cache import ResponseCache
from test_enforcement import known_policy
from tests.support.workspace import Workspace

Configure = Callable[..., None]


class Vendor:
    """Counts the calls it gets."""

    def __init__(self) -> None:
        self.calls = 0

    def answer(self, *_: Any) -> dict[str, Any]:
        self.calls += 1
        usage = {"prompt_tokens": 1000, "completion_tokens": 500}
        return {"id": f"chatcmpl-{self.calls:09}", "model": "gpt-4o", "usage": usage, "text": ["hello"]}


@pytest.fixture
def caching(configure: Configure, workspace: Workspace) -> None:
    """The workspace's settings allow caching, and the SDK knows it."""
    workspace.ask("PUT", "/api/settings", {"enable_caching": True})
    configure()
    known_policy()


def test_a_hit_is_recorded_as_free_with_what_it_saved(caching: None, workspace: Workspace) -> None:
    vendor = Vendor()

    @llmlab.track_cost("openai", "gpt-4o")
    def call(prompt: str, temperature: float = 1) -> dict[str, Any]:
        return vendor.answer()

    first = call("hi", temperature=0)
    again = call("hi", temperature=0)
    assert again == first
    # A copy: what one caller does to it is not seen by the next.
    again["text"].append("changed")
    assert call("hi", temperature=0) == first
    call("hi", temperature=1)
    call("ho", temperature=0)
    assert vendor.calls == 3
    assert llmlab.flush()
    events = workspace.events()
    assert len(events) == 5
    hits = [event for event in events if event["metadata"]]
    assert len(hits) == 2
    for hit in hits:
        assert (hit["cost"], hit["pricing"], hit["total_tokens"], hit["model"]) == (0, "caller", 0, "gpt-4o")
        assert hit["metadata"]["cache"] == {
            "hit": True,
            "first_event": "chatcmpl-000000001",
            "saved_input_tokens": 1000,
            "saved_output_tokens": 500,
            "saved_usd": "0.0075",
        }
    assert workspace.ask("GET", "/api/costs/summary?days=2")["total_cost"] == 3 * Decimal("0.0075")


async def test_async_functions_are_cached_and_streams_are_not(caching: None) -> None:
    vendor = Vendor()

    @llmlab.track_cost("openai", "gpt-4o")
    async def call(prompt: str) -> dict[str, Any]:
        return vendor.answer()

    @llmlab.track_cost("openai", "gpt-4o")
    def stream(prompt: str) -> Generator[dict[str, Any], None, None]:
        yield vendor.answer()

    assert await call("hi") == await call("hi")
    assert vendor.calls == 1
    list(stream("hi"))
    list(stream("hi"))
    assert vendor.calls == 3


def test_incomparable_and_excluded_calls_are_not_cached(caching: None) -> None:
    vendor = Vendor()

    @llmlab.track_cost("openai", "gpt-4o")
    def call(prompt: Any) -> dict[str, Any]:
        return vendor.answer()

    @llmlab.track_cost("openai", "gpt-4o", cache=False)
    def uncached(prompt: str) -> dict[str, Any]:
        return vendor.answer()

    @llmlab.track_cost("openai", "gpt-4o")
    def failing(prompt: str) -> None:
        vendor.calls += 1
        raise KeyError

    for _ in range(2):
        call(object())
        uncached("hi")
        with pytest.raises(KeyError):
            failing("hi")
    assert vendor.calls == 6
    # The same arguments to another function, or to another closure, are a different call.
    call("hi")
    assert vendor.calls == 7

    def made_with(system: str) -> Callable[[str], dict[str, str]]:
        @llmlab.track_cost("openai", "gpt-4o")
        def call(prompt: str) -> dict[str, str]:
            return {"text": f"{system} {prompt}"}

        return call

    assert made_with("polite")("hi") != made_with("rude")("hi")


def test_without_the_setting_nothing_is_cached(configure: Configure) -> None:
    configure()
    known_policy()
    vendor = Vendor()
    call = llmlab.track_cost("openai", "gpt-4o")(vendor.answer)
    call("hi")
    call("hi")
    assert vendor.calls == 2


def test_a_disabled_model_is_not_answered_from_the_cache_either(caching: None, workspace: Workspace) -> None:
    vendor = Vendor()
    call = llmlab.track_cost("openai", "gpt-4o")(vendor.answer)
    call("hi")
    workspace.ask("PUT", "/api/settings", {"disabled_models": ["gpt-4o"]})
    known_policy()
    with pytest.raises(llmlab.ModelDisabled):
        call("hi")


def test_arguments_are_the_same_in_any_order() -> None:
    cache = ResponseCache(1_000, 60)
    key = cache.key("openai", "gpt-4o", {"a": 1, "b": [1.5, None]})
    assert key == cache.key("openai", "gpt-4o", {"b": [1.5, None], "a": 1})
    assert key != cache.key("openai", "gpt-4o-mini", {"a": 1, "b": [1.5, None]})
    assert key != cache.key("openai", "gpt-4o", {"a": "1", "b": [1.5, None]})
    assert cache.key("openai", "gpt-4o", {"a": {1, 2}}) is None
    assert cache.key("openai", "gpt-4o", float("nan")) is None


def test_the_cache_is_bounded_in_bytes_and_in_age(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("llmlab._cache.time.monotonic", lambda: now)
    cache = ResponseCache(1_000, 60)
    for number in range(20):
        cache.put(str(number), "x" * 90, f"event {number}")
    cache.put("large", "x" * 500, "event")
    assert cache.get("large") is None
    kept = [number for number in range(20) if cache.get(str(number)) is not None]
    assert kept == list(range(20 - len(kept), 20))
    assert 5 <= len(kept) <= 10
    # The least recently used response is evicted first.
    assert cache.get(str(kept[0])) is not None
    cache.put("new", "x" * 90, "event")
    cache.put("newer", "x" * 90, "event")
    assert cache.get(str(kept[0])) is not None
    assert cache.get(str(kept[1])) is None
    now = 61.0
    assert cache.get("new") is None
    assert cache._bytes == sum(len(entry.pickled) for entry in cache._entries.values())
