"""Calls of every kind reach LLMLab with the vendor's token counts, and answers are passed on unchanged."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

import llmlab
from llmlab import _ids
from tests.support.workspace import Workspace

Configure = Callable[..., None]
# 1,000 and 500 tokens of gpt-4o cost 0.0075 USD.
ANSWER = {"id": "chatcmpl-0123456789", "model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}
# Shorter ids do not count as those of a vendor.
ID = "an id of a vendor "
COST = Decimal("0.0075")


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class Completion(BaseModel):
    id: str = "chatcmpl-1234567890"
    model: str = "gpt-4o"
    choices: list[str] = ["never sent"]
    usage: Usage = Usage(prompt_tokens=1000, completion_tokens=500)


# The decorator


async def test_all_four_kinds_of_function_are_tracked(configure: Configure, workspace: Workspace) -> None:
    configure(project="search", tags={"team": "discovery"})

    @llmlab.track_cost("openai")
    def plain(prompt: str) -> dict[str, Any]:
        return {**ANSWER, "id": ID + prompt}

    @llmlab.track_cost("openai")
    async def coroutine(prompt: str) -> dict[str, Any]:
        return {**ANSWER, "id": ID + prompt}

    @llmlab.track_cost("openai")
    def stream(prompt: str) -> Generator[dict[str, Any], None, None]:
        yield {"id": ID + prompt, "model": "gpt-4o", "usage": None}
        yield {**ANSWER, "id": ID + prompt}

    @llmlab.track_cost("openai")
    async def astream(prompt: str) -> AsyncGenerator[dict[str, Any], None]:
        yield {"id": ID + prompt, "model": "gpt-4o", "usage": None}
        yield {**ANSWER, "id": ID + prompt}

    assert plain("a") == {**ANSWER, "id": ID + "a"}
    assert await coroutine("b") == {**ANSWER, "id": ID + "b"}
    assert len(list(stream("c"))) == 2
    assert len([chunk async for chunk in astream("d")]) == 2
    assert llmlab.flush()
    events = workspace.events()
    assert len(events) == 4
    for event in events:
        assert event["cost"] == COST
        assert (event["input_tokens"], event["output_tokens"]) == (1000, 500)
        assert (event["project"], event["tags"], event["status"]) == ("search", {"team": "discovery"}, "success")
    for id in "abcd":
        assert workspace.ask("GET", f"/api/events/{ID}{id}")["cost"] == COST


@pytest.mark.parametrize(
    ("provider", "answer", "tokens"),
    [
        pytest.param("openai", Completion(), (1000, 500, 0), id="pydantic"),
        pytest.param("openai", ({"text": "hi"}, {"input_tokens": 7, "output_tokens": 3}), (7, 3, 0), id="pair"),
        pytest.param("openai", ("hi", Usage(prompt_tokens=8, completion_tokens=2)), (8, 2, 0), id="pair of vendor's"),
        pytest.param("openai", {"prompt_tokens": 9, "completion_tokens": 1}, (9, 1, 0), id="usage itself"),
        pytest.param(
            "anthropic",
            {
                "model": "claude-sonnet-4-5",
                "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5},
            },
            (100, 5, 90),
            id="cached beside the input",
        ),
        pytest.param(
            "google",
            {
                "model_version": "gemini-2.5-pro",
                "usage_metadata": {
                    "prompt_token_count": 100,
                    "cached_content_token_count": 40,
                    "candidates_token_count": 20,
                    "thoughts_token_count": 5,
                },
            },
            (100, 25, 40),
            id="snake case of Google",
        ),
        pytest.param(
            "cohere", {"usage": {"billed_units": {"input_tokens": 3, "output_tokens": 4}}}, (3, 4, 0), id="billed"
        ),
        pytest.param(
            "a model of ours", {"usage": {"prompt_tokens": 5, "completion_tokens": 6}}, (5, 6, 0), id="unknown vendor"
        ),
    ],
)
def test_usage_is_read_from_what_is_returned(
    provider: str, answer: Any, tokens: tuple[int, int, int], configure: Configure, workspace: Workspace
) -> None:
    configure()

    @llmlab.track_cost(provider, "some-model")
    def call() -> Any:
        return answer

    assert call() is answer
    assert llmlab.flush()
    event = workspace.event()
    assert (event["input_tokens"], event["output_tokens"], event["cache_read_tokens"]) == tokens


def test_usage_is_read_from_objects_of_any_kind(configure: Configure, workspace: Workspace) -> None:
    class Metadata(BaseModel):
        model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
        prompt_token_count: int
        candidates_token_count: int | None = None

    @dataclasses.dataclass
    class Response:
        usage_metadata: Metadata
        model_version: str = "gemini-2.5-pro"
        response_id: str = "g123456789012345"

    configure()
    llmlab.log_call("google", response=Response(Metadata(prompt_token_count=12)))
    assert llmlab.flush()
    assert (workspace.event()["model"], workspace.event()["input_tokens"]) == ("gemini-2.5-pro", 12)
    assert workspace.ask("GET", "/api/events/g123456789012345")["output_tokens"] == 0


def test_the_parts_of_a_stream_are_put_together(configure: Configure, workspace: Workspace) -> None:
    configure()

    @llmlab.track_cost("anthropic")
    def stream() -> Generator[dict[str, Any], None, None]:
        message = {
            "id": "msg_123456789012",
            "model": "claude-sonnet-4-5",
            "usage": {"input_tokens": 20, "output_tokens": 1},
        }
        yield {"type": "message_start", "message": message}
        yield {"type": "message_delta", "usage": {"output_tokens": 30}}
        yield {"type": "message_delta", "usage": {"output_tokens": 50}}

    list(stream())
    assert llmlab.flush()
    event = workspace.event()
    assert (event["model"], event["input_tokens"], event["output_tokens"]) == ("claude-sonnet-4-5", 20, 50)


async def test_a_stream_cut_short_keeps_what_it_has_cost(configure: Configure, workspace: Workspace) -> None:
    configure()
    closed = []

    @llmlab.track_cost("openai", "gpt-4o")
    def stream() -> Generator[dict[str, Any], None, None]:
        try:
            yield {"usage": {"prompt_tokens": 100, "completion_tokens": 1}}
            yield {"usage": {"prompt_tokens": 100, "completion_tokens": 2}}
        finally:
            closed.append("stream")

    @llmlab.track_cost("openai", "gpt-4o-mini", input_tokens=lambda prompt: len(prompt))
    async def astream(prompt: str) -> AsyncGenerator[dict[str, Any], None]:
        try:
            yield {"delta": "so"}
            yield {"delta": " far"}
        finally:
            closed.append("astream")

    chunks = stream()
    next(chunks)
    chunks.close()
    achunks = astream("four")
    await anext(achunks)
    await achunks.aclose()
    assert closed == ["stream", "astream"]
    assert llmlab.flush()
    found = {e["model"]: (e["input_tokens"], e["output_tokens"], e["status"]) for e in workspace.events()}
    assert found == {"gpt-4o": (100, 1, "success"), "gpt-4o-mini": (4, 0, "success")}


def test_a_stream_closed_before_its_usage_is_known_is_not_recorded_as_free(
    configure: Configure, workspace: Workspace
) -> None:
    configure()

    @llmlab.track_cost("openai", "gpt-4o")
    def stream() -> Generator[str, None, None]:
        yield "so"
        yield " far"

    chunks = stream()
    next(chunks)
    chunks.close()
    assert llmlab.flush()
    assert (workspace.count(), llmlab.stats().unreadable) == (0, 1)


async def test_generators_behave_as_if_they_were_bare(configure: Configure) -> None:
    configure()

    def bare() -> Generator[Any, Any, str]:
        heard = []
        for word in ("a", "b"):
            try:
                heard.append((yield word))
            except KeyError as error:
                heard.append(error.args[0])
        heard.append((yield heard))
        return f"end {heard}"

    async def abare() -> AsyncGenerator[Any, Any]:
        for end in bare(), iter("z"):
            heard = None
            while True:
                try:
                    item = end.send(heard) if isinstance(end, Generator) else next(end)
                except StopIteration:
                    break
                try:
                    heard = yield item
                except KeyError as error:
                    assert isinstance(end, Generator)
                    heard = yield end.throw(error)

    def used(generator: Generator[Any, Any, str]) -> list[Any]:
        seen = [next(generator), generator.send(1), generator.throw(KeyError("two"))]
        try:
            generator.send(3)
        except StopIteration as end:
            seen.append(end.value)
        return seen

    async def aused(generator: AsyncGenerator[Any, Any]) -> list[Any]:
        seen = [await anext(generator), await generator.asend(1), await generator.athrow(KeyError("two"))]
        return [*seen, *[item async for item in generator]]

    assert used(llmlab.track_cost("openai")(bare)()) == used(bare())
    assert await aused(llmlab.track_cost("openai")(abare)()) == await aused(abare())
    with pytest.raises(KeyError):
        llmlab.track_cost("openai")(bare)().throw(KeyError("at once"))


async def test_what_a_function_raises_is_raised_and_recorded_without_its_text(
    configure: Configure, workspace: Workspace
) -> None:
    class RateLimitError(Exception):
        status_code = 429
        code = "rate_limit_exceeded"

    @llmlab.track_cost("openai", "gpt-4o")
    def refused() -> None:
        raise RateLimitError("your prompt was: CANARY")

    @llmlab.track_cost("openai", "gpt-4o-mini")
    async def late() -> None:
        raise asyncio.TimeoutError

    configure()
    with pytest.raises(RateLimitError):
        refused()
    with pytest.raises(asyncio.TimeoutError):
        await late()
    assert llmlab.flush()
    found = {e["model"]: (e["status"], e["error_message"], e["cost"]) for e in workspace.events()}
    assert found == {
        "gpt-4o": ("error", "RateLimitError (HTTP 429): rate_limit_exceeded", 0),
        "gpt-4o-mini": ("timeout", "TimeoutError", 0),
    }


def test_a_call_with_unreadable_usage_is_not_recorded_as_free(
    configure: Configure, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    configure()

    @llmlab.track_cost("openai", "gpt-4o")
    def call() -> str:
        return "only text"

    assert call() == "only text"
    assert llmlab.flush()
    assert workspace.count() == 0
    assert llmlab.stats().unreadable == 1
    assert "no usage could be read" in caplog.text


# The context manager and the function


async def test_a_call_can_be_tracked_by_a_block(configure: Configure, workspace: Workspace) -> None:
    configure()
    with llmlab.track("openai", "gpt-4o", project="block", tags={"a": "b"}, metadata={"run": 7}) as call:
        assert call.response(ANSWER) is ANSWER
    async with llmlab.track("mistral", "mistral-large-latest") as call:
        call.usage(100, 50, reasoning_tokens=20)
    with pytest.raises(ZeroDivisionError), llmlab.track("anthropic", "claude-sonnet-4-5"):
        raise ZeroDivisionError
    assert llmlab.flush()
    found = {e["provider"]: e for e in workspace.events()}
    assert (found["openai"]["cost"], found["openai"]["project"]) == (COST, "block")
    assert (found["openai"]["tags"], found["openai"]["metadata"]) == ({"a": "b"}, {"run": 7})
    assert (found["mistral"]["output_tokens"], found["mistral"]["reasoning_tokens"]) == (50, 20)
    assert (found["anthropic"]["status"], found["anthropic"]["error_message"]) == ("error", "ZeroDivisionError")


def test_a_past_call_is_logged_with_every_digit_and_once(configure: Configure, workspace: Workspace) -> None:
    configure()
    for _ in range(2):
        id = llmlab.log_call(
            "our-own",
            "house-model",
            response={"usage": {"prompt_tokens": 10, "completion_tokens": 5}},
            cost=Decimal("1234567.123456789012345"),
            latency_ms=12.5,
            timestamp=datetime(2026, 11, 20, 12, tzinfo=timezone.utc),
            id="job-7",
            project="batch",
        )
        assert id == "job-7"
    assert llmlab.flush()
    event = workspace.event()
    assert (event["input_tokens"], event["output_tokens"], event["latency_ms"]) == (10, 5, 12.5)
    assert event["timestamp"] == "2026-11-20T12:00:00Z"
    assert workspace.ask("GET", "/api/events/job-7")["cost"] == Decimal("1234567.123456789012345")


def test_the_same_call_seen_twice_is_counted_once(configure: Configure, workspace: Workspace) -> None:
    configure()
    with llmlab.track("openai") as call:
        call.response(ANSWER)
    llmlab.log_call("OpenAI", response=ANSWER)
    assert llmlab.flush()
    assert workspace.count() == 1


def test_short_ids_are_ignored(configure: Configure, workspace: Workspace) -> None:
    configure()
    for _ in range(2):
        llmlab.log_call("openai", response={**ANSWER, "id": "chatcmpl-123"})
    assert llmlab.flush()
    assert workspace.count() == 2


def test_ids_begin_with_the_time_and_tell_calls_and_processes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [UUID(_ids.event_id(1_800_000_000.123, number)) for number in (0, 1, 2**24 - 1)]
    assert {id.version for id in ids} == {7}
    assert {id.variant for id in ids} == {RFC_4122}
    assert {id.int >> 80 for id in ids} == {1_800_000_000_123}
    monkeypatch.setattr(_ids, "_process", _ids._process ^ 1)
    assert len({*ids, UUID(_ids.event_id(1_800_000_000.123, 0))}) == 4


def test_a_seeded_random_does_not_make_the_same_ids(configure: Configure, workspace: Workspace) -> None:
    configure()
    for _ in range(2):
        random.seed(42)
        llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=1)
    assert llmlab.flush()
    assert workspace.count() == 2


def test_values_beyond_the_limits_are_truncated(
    configure: Configure, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    configure()
    llmlab.log_call(
        "openai",
        "gpt-4o\x00",
        input_tokens=1,
        output_tokens=1,
        project="p" * 200,
        tags={f"tag {number}": "v" * 200 for number in range(10)},
        metadata={"object": object()},
    )
    llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=1, project="\ud800")
    assert llmlab.flush()
    last, first = workspace.events()
    assert (first["project"], first["model"], first["metadata"]) == ("p" * 128, "gpt-4o", {})
    assert (len(first["tags"]), last["project"]) == (8, "?")
    assert "metadata of a call is left out" in caplog.text


# Settings


def test_without_a_key_nothing_is_sent_and_one_warning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    @llmlab.track_cost("openai")
    def call() -> dict[str, Any]:
        return ANSWER

    for _ in range(3):
        assert call() == ANSWER
        assert llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=1) is None
    assert llmlab.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "Calls are not recorded: set LLMLAB_API_KEY or call llmlab.configure(api_key=...)"
    ]


def test_the_environment_sets_what_configure_does_not(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace, spool: Any
) -> None:
    monkeypatch.setenv("LLMLAB_API_KEY", workspace.key)
    monkeypatch.setenv("LLMLAB_URL", workspace.url + "/")
    monkeypatch.setenv("LLMLAB_PROJECT", "from outside")
    monkeypatch.setenv("LLMLAB_TAGS", "team=search, env=prod")
    monkeypatch.setenv("LLMLAB_SPOOL_DIR", str(spool))
    llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=1)
    assert llmlab.flush()
    event = workspace.event()
    assert (event["project"], event["tags"]) == ("from outside", {"team": "search", "env": "prod"})


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "llmlab.example.com"},
        {"api_key": "k\n"},
        {"on_unreachable": "shrug"},
        {"queue_size": 0},
        {"enforce_budget": True},
    ],
    ids=str,
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(llmlab.ConfigurationError):
        llmlab.configure(**settings)


def test_an_invalid_environment_is_logged_once_and_breaks_no_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LLMLAB_API_KEY", "k")
    monkeypatch.setenv("LLMLAB_ENFORCE_BUDGET", "maybe")
    for _ in range(2):
        assert llmlab.log_call("openai", "gpt-4o", input_tokens=1, output_tokens=1) is None
    assert [record.getMessage() for record in caplog.records] == [
        "Calls are not recorded: LLMLAB_ENFORCE_BUDGET has an invalid value: 'maybe'"
    ]


def test_a_key_is_never_shown(configure: Configure, workspace: Workspace) -> None:
    from llmlab._settings import Settings

    assert workspace.key not in repr(Settings.of(api_key=workspace.key))
