"""Instrumenting and uninstrumenting leave the clients' functions and answers unchanged."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import cohere.raw_base_client
import cohere.v2.raw_client
import google.genai.models
import mistralai.client.agents
import mistralai.client.chat
import mistralai.client.embeddings
import mistralai.client.fim
import openai
import pytest
from google.genai import types
from openai.types.chat import ChatCompletion

import llmlab
from llmlab import _runtime
from llmlab.instruments import openai as openai_instrument
from tests.support.workspace import Workspace
from vendors import clients
from vendors.server import Vendors

METHODS: list[tuple[Any, str]] = [
    (openai.OpenAI, "request"),
    (openai.AsyncOpenAI, "request"),
    (anthropic.Anthropic, "request"),
    (anthropic.AsyncAnthropic, "request"),
    (google.genai.models.Models, "_generate_content"),
    (google.genai.models.Models, "_generate_content_stream"),
    (google.genai.models.AsyncModels, "_generate_content"),
    (google.genai.models.AsyncModels, "_generate_content_stream"),
    *[
        (resource, name)
        for resource in (mistralai.client.chat.Chat, mistralai.client.agents.Agents, mistralai.client.fim.Fim)
        for name in ("complete", "complete_async", "stream", "stream_async")
    ],
    (mistralai.client.embeddings.Embeddings, "create"),
    (mistralai.client.embeddings.Embeddings, "create_async"),
    *[
        (client, name)
        for client in (
            cohere.raw_base_client.RawBaseCohere,
            cohere.raw_base_client.AsyncRawBaseCohere,
            cohere.v2.raw_client.RawV2Client,
            cohere.v2.raw_client.AsyncRawV2Client,
        )
        for name in ("chat", "chat_stream", "embed")
    ],
]


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    """The server that simulates the vendors."""
    with Vendors() as vendors:
        yield vendors


@pytest.fixture(autouse=True)
def uninstrumented() -> Iterator[None]:
    """Nothing is instrumented afterwards."""
    yield
    llmlab.uninstrument()


@pytest.fixture
def instrumented(configure: Callable[..., None]) -> None:
    """The clients are instrumented."""
    configure()
    llmlab.instrument()


def know_policy() -> None:
    """Waits until the SDK has read the workspace's settings."""
    runtime = _runtime.current()
    assert runtime is not None
    runtime.guard.policy_due = 0
    llmlab.flush()
    assert runtime.guard.policy is not None


def functions() -> list[Any]:
    """The current functions of the clients."""
    return [getattr(owner, name) for owner, name in METHODS]


def test_uninstrumenting_restores_the_same_functions() -> None:
    before = functions()
    llmlab.instrument()
    assert all(now is not then for now, then in zip(functions(), before, strict=True))
    llmlab.uninstrument()
    assert all(now is then for now, then in zip(functions(), before, strict=True))


def test_instrumenting_twice_is_instrumenting_once() -> None:
    before = functions()
    llmlab.instrument()
    once = functions()
    llmlab.instrument("openai")
    assert all(now is then for now, then in zip(functions(), once, strict=True))
    llmlab.uninstrument()
    assert all(now is then for now, then in zip(functions(), before, strict=True))


def test_many_threads_may_instrument_at_once(
    vendors: Vendors, workspace: Workspace, configure: Callable[..., None]
) -> None:
    configure()
    threads = [threading.Thread(target=llmlab.instrument) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clients.chat(vendors.url, "Hi")
    assert llmlab.flush()
    assert workspace.event()["cost"] == Decimal("0.007")


def test_one_vendor_may_be_named() -> None:
    before = functions()
    llmlab.instrument("anthropic")
    changed = [METHODS[place] for place, now in enumerate(functions()) if now is not before[place]]
    assert changed == [(anthropic.Anthropic, "request"), (anthropic.AsyncAnthropic, "request")]
    with pytest.raises(llmlab.ConfigurationError, match="unknown vendor openia; supported are anthropic, cohere"):
        llmlab.instrument("openia")


def test_another_wrapper_around_ours_stays(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    ours = openai.OpenAI.request
    owner = next(kind for kind in openai.OpenAI.__mro__ if "request" in vars(kind))

    def theirs(*arguments: Any, **named: Any) -> Any:
        return ours(*arguments, **named)

    owner.request = theirs  # type: ignore[attr-defined]
    try:
        llmlab.uninstrument()
        assert openai.OpenAI.request is theirs
        clients.chat(vendors.url, "Hi")
        assert llmlab.flush()
        assert workspace.events() == []
    finally:
        owner.request = ours.__wrapped__  # type: ignore[attr-defined]


def test_clients_are_patched_when_they_are_imported_and_not_imported_before() -> None:
    program = """
import sys, llmlab
llmlab.instrument()
names = ("openai", "anthropic", "google.genai", "mistralai", "cohere")
assert not any(name in sys.modules for name in names)
import openai, mistralai.client
from google import genai
from mistralai.client.chat import Chat
assert openai.OpenAI.request.__wrapped__
assert genai.models.Models._generate_content.__wrapped__
assert Chat.complete.__wrapped__
assert openai.__spec__.loader.exec_module.__func__ is type(openai.__spec__.loader).exec_module
llmlab.uninstrument()
assert not hasattr(openai.OpenAI.request, "__wrapped__")
import anthropic
assert not hasattr(anthropic.Anthropic.request, "__wrapped__")
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd="sdk")


def test_an_open_stream_is_recorded_at_exit(vendors: Vendors, workspace: Workspace, spool: Any) -> None:
    program = f"""
import llmlab, openai
llmlab.configure(api_key={workspace.key!r}, base_url={workspace.url!r}, spool_dir={str(spool)!r})
llmlab.instrument()
client = openai.OpenAI(api_key="key", base_url="{vendors.url}/v1")
stream = client.responses.create(model="gpt-4o", input="never-ends, and has forty letters in it.", stream=True)
while next(stream).type != "response.output_text.delta":
    pass
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd="sdk")
    event = workspace.event()
    assert (event["input_tokens"], event["output_tokens"], event["metadata"]) == (14, 2, {"estimated": True})


# Answers


def test_usage_that_was_not_requested_is_hidden(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.openai_client(vendors.url) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True)
        assert type(stream) is openai.Stream
        chunks = list(stream)
    assert vendors.requests[-1][1]["stream_options"] == {"include_usage": True}
    assert [chunk.usage for chunk in chunks] == [None] * 6
    assert all(chunk.choices for chunk in chunks)
    assert llmlab.flush()
    assert workspace.event()["cost"] == Decimal("0.007")


def test_requested_usage_is_passed_on(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.openai_client(vendors.url) as client:
        *_, last = client.chat.completions.create(
            model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True, stream_options={"include_usage": True}
        )
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 1500
    assert llmlab.flush()
    assert workspace.event()["cost"] == Decimal("0.007")


def test_declined_usage_is_not_requested(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.openai_client(vendors.url) as client:
        list(
            client.chat.completions.create(
                model="gpt-4o",
                messages=clients.chat_messages("Hi"),
                stream=True,
                stream_options={"include_usage": False},
            )
        )
    assert vendors.requests[-1][1]["stream_options"] == {"include_usage": False}
    assert llmlab.flush()
    event = workspace.event()
    # "Hi" is one token, "Hello world" four: 1*2.50 + 4*10.00 = 42.50 millionths.
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == (1, 4, Decimal("0.0000425"))
    assert event["metadata"] == {"estimated": True}


def test_raw_responses_are_raw(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.openai_client(vendors.url) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=clients.chat_messages("Hi"))
        assert raw.status_code == 200
        assert type(raw.parse()) is ChatCompletion
        raw_stream = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True
        )
        assert [chunk.usage for chunk in raw_stream.parse()] == [None] * 6
    with clients.anthropic_client(vendors.url) as client_of_anthropic:
        message = client_of_anthropic.messages.with_raw_response.create(
            model=clients.CLAUDE, max_tokens=600, messages=clients.chat_messages("Hi")
        )
        assert message.parse().usage.output_tokens == 500
    assert llmlab.flush()
    costs = [event["cost"] for event in workspace.events()]
    assert costs == [Decimal("0.00987"), Decimal("0.007"), Decimal("0.007")]


def test_a_request_by_hand_is_recorded_or_counted(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    body = {"model": "gpt-4o", "messages": clients.chat_messages("Hi")}
    with clients.openai_client(vendors.url) as client:
        answer = client.post("/chat/completions", body=body, cast_to=object)
        assert isinstance(answer, dict)
        assert isinstance(client.post("/chat/completions", body=body, cast_to=str), str)
    assert llmlab.flush()
    assert workspace.event()["input_tokens"] == answer["usage"]["prompt_tokens"]
    assert llmlab.stats().unreadable == 1


def test_responses_may_be_streamed_by_hand(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.openai_client(vendors.url) as client:
        create = client.chat.completions.with_streaming_response.create
        with create(model="gpt-4o", messages=clients.chat_messages("Hi")) as response:
            assert response.parse().choices[0].message.content == "Hello world"
        with create(model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True) as response:
            lines = list(response.iter_lines())
    assert len([line for line in lines if line.startswith("data: {")]) == 6
    assert lines[-2:] == ["data: [DONE]", ""]
    assert llmlab.flush()
    assert [event["cost"] for event in workspace.events()] == [Decimal("0.007")] * 2


def test_async_responses_may_be_streamed_by_hand(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    async def call() -> list[str]:
        async with clients.openai_async(vendors.url) as client:
            create = client.chat.completions.with_streaming_response.create
            async with create(model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True) as response:
                return [line async for line in response.iter_lines()]

    assert len([line for line in asyncio.run(call()) if line.startswith("data: {")]) == 6
    assert llmlab.flush()
    assert workspace.event()["cost"] == Decimal("0.007")


@pytest.mark.parametrize("way", ["close", "with", "error"])
def test_a_stream_that_is_closed_keeps_its_prompt(
    way: str, vendors: Vendors, workspace: Workspace, instrumented: None
) -> None:
    prompt = "never-ends, and has forty letters in it."
    with clients.anthropic_client(vendors.url) as client:
        stream = client.messages.create(
            model=clients.CLAUDE, max_tokens=600, messages=clients.chat_messages(prompt), stream=True
        )
        while next(stream).type != "content_block_delta":
            pass
        if way == "close":
            stream.close()
        elif way == "with":
            with stream:
                pass
        else:
            with pytest.raises(LookupError), stream:
                raise LookupError
    assert llmlab.flush()
    event = workspace.event()
    assert (event["status"], event["input_tokens"], event["output_tokens"]) == ("success", 1000, 2)
    # 300*3.00 + 400*0.30 + 200*3.75 + 100*6.00 + 2*15.00 = 2,400
    assert event["cost"] == Decimal("0.0024")


def test_helpers_that_call_on_the_users_behalf_are_tracked(
    vendors: Vendors, workspace: Workspace, instrumented: None
) -> None:
    with clients.openai_client(vendors.url) as client:
        with client.chat.completions.stream(model="gpt-4o", messages=clients.chat_messages("Hi")) as stream:
            assert stream.get_final_completion().choices[0].message.content == "Hello world"
        with client.responses.stream(model="gpt-4o", input="Hi") as events:
            assert events.get_final_response().output_text == "Hello world"
    with clients.google_client(vendors.url) as google_client:
        chat = google_client.chats.create(model=clients.GEMINI)
        assert chat.send_message("Hi").text == "Hello world"
    assert llmlab.flush()
    costs = [event["cost"] for event in workspace.events()]
    assert costs == [Decimal("0.001442"), Decimal("0.007"), Decimal("0.007")]


def test_embeddings_and_other_calls(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.openai_client(vendors.url) as client:
        client.embeddings.create(model="text-embedding-3-small", input="Hi", encoding_format="float")
    with clients.mistral_client(vendors.url) as mistral:
        mistral.embeddings.create(model="mistral-embed", inputs=["Hi"])
        mistral.fim.complete(model="codestral-latest", prompt="def f(")
    with cohere.ClientV2("key", base_url=vendors.url) as client_of_cohere:
        client_of_cohere.embed(model="embed-v4.0", texts=["Hi"], input_type="search_query", embedding_types=["float"])
    assert llmlab.flush()
    # 1,000 tokens at 0.12 and 0.10 and 0.02 USD per million, and of codestral 1000*0.30 + 500*0.90 = 750.
    found = {event["model"]: (event["input_tokens"], event["cost"]) for event in workspace.events()}
    assert found == {
        "embed-v4.0": (1000, Decimal("0.00012")),
        "codestral-latest": (1000, Decimal("0.00075")),
        "mistral-embed": (1000, Decimal("0.0001")),
        "text-embedding-3-small": (1000, Decimal("0.00002")),
    }


def test_azure_is_azure(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with openai.AzureOpenAI(api_key="key", azure_endpoint=vendors.url, api_version="2024-10-21") as client:
        client.chat.completions.create(model="our-deployment", messages=clients.chat_messages("Hi"))
    assert llmlab.flush()
    event = workspace.event()
    # 600*2.50 + 400*1.25 + 500*10.00 = 7,000
    assert (event["provider"], event["model"], event["cost"]) == ("azure", "gpt-4o-2024-08-06", Decimal("0.007"))


def test_an_old_version_of_azure_is_not_asked_for_usage(vendors: Vendors, instrumented: None) -> None:
    with openai.AzureOpenAI(api_key="key", azure_endpoint=vendors.url, api_version="2024-02-01") as client:
        list(client.chat.completions.create(model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True))
    assert "stream_options" not in vendors.requests[-1][1]


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://ours.openai.azure.com/openai/v1", "azure"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws"),
        ("https://notx.ai/v1", "openai"),
        ("http://127.0.0.1:8080/v1", "openai"),
    ],
)
def test_compatible_vendors_are_known_by_their_host(url: str, provider: str) -> None:
    with openai.OpenAI(api_key="key", base_url=url) as client:
        assert openai_instrument._vendor(client) == provider


# Before the call


def test_a_budget_is_asked_before_the_vendor_is(
    vendors: Vendors, workspace: Workspace, configure: Callable[..., None]
) -> None:
    workspace.ask("POST", "/api/budgets", {"name": "all", "limit": 0.01, "hard": True})
    configure(enforce_budget=True)
    llmlab.instrument()
    with clients.openai_client(vendors.url) as client:
        # 2*2.50 + 900*10.00 = 9,005 millionths fit; the call then cost 7,000.
        create = client.chat.completions.create
        create(model="gpt-4o", messages=clients.chat_messages("12345678"), max_tokens=900)
        assert llmlab.flush()
        before = len(vendors.requests)
        with pytest.raises(llmlab.BudgetExceeded):
            create(model="gpt-4o", messages=clients.chat_messages("12345678"), max_tokens=900)
        # 1*2.50 + 2*10.00
        create(model="gpt-4o", messages=clients.chat_messages("1"), max_tokens=2)
    assert len(vendors.requests) == before + 1
    assert llmlab.flush()
    assert len(workspace.events()) == 2


@pytest.mark.parametrize("way", ["stream", "async"])
@pytest.mark.parametrize("vendor", list(clients.WAYS))
def test_a_refusal_reaches_the_caller_of_every_client(
    way: str, vendor: str, vendors: Vendors, workspace: Workspace, configure: Callable[..., None]
) -> None:
    workspace.ask("PUT", "/api/settings", {"disabled_models": [clients.WAYS[vendor].model]})
    configure(enforce_budget=True)
    llmlab.instrument()

    async def call() -> str:
        return await clients.WAYS[vendor].awhole(vendors.url, "Hi")

    before = len(vendors.requests)
    with pytest.raises(llmlab.ModelDisabled):
        assert asyncio.run(call()) if way == "async" else list(clients.WAYS[vendor].stream(vendors.url, "Hi"))
    assert len(vendors.requests) == before


def test_a_prompt_that_is_too_long_is_refused(
    vendors: Vendors, workspace: Workspace, configure: Callable[..., None]
) -> None:
    workspace.ask("PUT", "/api/settings", {"max_tokens_per_request": 100})
    configure()
    know_policy()
    llmlab.instrument()
    before = len(vendors.requests)
    with clients.openai_client(vendors.url) as client:
        create = client.responses.create
        # 270 letters are 90 tokens.
        create(model="gpt-4o", input="x" * 270, max_output_tokens=10)
        with pytest.raises(llmlab.TokenLimitExceeded, match="100 tokens per request, not 101"):
            create(model="gpt-4o", input="x" * 270, max_output_tokens=11)
    assert len(vendors.requests) == before + 1


@pytest.mark.parametrize("vendor", list(clients.WAYS))
def test_the_same_question_is_answered_from_the_cache(
    vendor: str, vendors: Vendors, workspace: Workspace, configure: Callable[..., None]
) -> None:
    workspace.ask("PUT", "/api/settings", {"enable_caching": True})
    configure()
    know_policy()
    llmlab.instrument()
    way = clients.WAYS[vendor]
    before = len(vendors.requests)
    assert [way.whole(vendors.url, f"{vendor} again"), way.whole(vendors.url, f"{vendor} again")] == ["Hello world"] * 2
    assert len(vendors.requests) == before + 1
    assert way.whole(vendors.url, f"{vendor} changed") == "Hello world"
    assert "".join(way.stream(vendors.url, f"{vendor} again")) == "Hello world"
    assert len(vendors.requests) == before + 3
    assert llmlab.flush()
    events = sorted(workspace.events(), key=lambda event: event["cost"])
    assert [event["cost"] for event in events] == [0, way.cost, way.cost, way.cost]
    saved = events[0]["metadata"]["cache"]
    assert (saved["saved_input_tokens"], saved["saved_output_tokens"]) == (1000, 500)


def test_without_a_key_clients_work_and_nothing_is_recorded(vendors: Vendors, workspace: Workspace) -> None:
    llmlab.instrument()
    assert clients.chat(vendors.url, "Hi") == "Hello world"
    assert "stream_options" not in (list(clients.chat_stream(vendors.url, "Hi")), vendors.requests[-1][1])[1]
    assert workspace.events() == []


@pytest.mark.parametrize("place", ["_options", "_take", "Tap.through", "CompletionReader.read"])
def test_a_mistake_of_ours_never_reaches_the_call(
    place: str, vendors: Vendors, instrumented: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **named: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(
        {
            "_options": "llmlab.instruments.openai._plan",
            "_take": "llmlab.instruments.requests.as_dict",
            "Tap.through": "llmlab.instruments.streams.Tap._read",
            "CompletionReader.read": "llmlab.instruments.openai.CompletionReader.read",
        }[place],
        broken,
    )
    llmlab.uninstrument()
    llmlab.instrument()
    assert clients.chat(vendors.url, "Hi") == "Hello world"
    pieces = []
    with clients.openai_client(vendors.url) as client:
        for chunk in client.chat.completions.create(model="gpt-4o", messages=clients.chat_messages("Hi"), stream=True):
            pieces += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(pieces) == "Hello world"


def test_googles_http_response_is_read_too(vendors: Vendors, workspace: Workspace, instrumented: None) -> None:
    with clients.google_client(vendors.url) as client:
        answer = client.models.generate_content(
            model=clients.GEMINI,
            contents="Hi",
            config=types.GenerateContentConfig(should_return_http_response=True),
        )
        assert answer.sdk_http_response is not None
        assert "Hello world" in (answer.sdk_http_response.body or "")
    assert llmlab.flush()
    assert workspace.event()["cost"] == Decimal("0.001442")
