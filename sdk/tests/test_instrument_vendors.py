"""The real clients, instrumented, with the vendors' wire formats and a running LLMLab."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import llmlab
from tests.support.workspace import Workspace
from vendors.clients import WAYS, Way
from vendors.server import Vendors

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    """The server that simulates the vendors."""
    with Vendors() as vendors:
        yield vendors


@pytest.fixture(autouse=True)
def instrumented(configure: Callable[..., None]) -> Iterator[None]:
    """The clients are instrumented."""
    configure()
    llmlab.instrument()
    yield
    llmlab.uninstrument()


def assert_whole(workspace: Workspace, way: Way) -> None:
    """The only call is one of 1,000 and 500 tokens, at its price."""
    assert llmlab.flush()
    event = workspace.event()
    assert (event["provider"], event["model"], event["status"]) == (way.provider, way.model, "success")
    assert (event["input_tokens"], event["output_tokens"]) == (1000, 500)
    assert event["cache_read_tokens"] == (400 if way.reads_cache else 0)
    assert event["cost"] == way.cost
    assert event["metadata"] == {}


def take(pieces: Iterator[str], wanted: str) -> str:
    """Reads until the text is there, and reads no further."""
    text = ""
    for piece in pieces:
        text += piece
        if text == wanted:
            break
    return text


async def atake(pieces: AsyncIterator[str], wanted: str) -> str:
    """The same for async pieces."""
    text = ""
    async for piece in pieces:
        text += piece
        if text == wanted:
            break
    return text


@every_way
def test_an_answer_costs_what_it_says(way: Way, vendors: Vendors, workspace: Workspace) -> None:
    assert way.whole(vendors.url, "Hi") == "Hello world"
    assert_whole(workspace, way)


@every_way
def test_an_async_answer_costs_what_it_says(way: Way, vendors: Vendors, workspace: Workspace) -> None:
    async def call() -> str:
        return await way.awhole(vendors.url, "Hi")

    assert asyncio.run(call()) == "Hello world"
    assert_whole(workspace, way)


@every_way
def test_a_stream_costs_what_its_end_says(way: Way, vendors: Vendors, workspace: Workspace) -> None:
    assert "".join(way.stream(vendors.url, "Hi")) == "Hello world"
    assert_whole(workspace, way)


@every_way
def test_an_async_stream_costs_what_its_end_says(way: Way, vendors: Vendors, workspace: Workspace) -> None:
    async def call() -> str:
        return "".join([piece async for piece in way.astream(vendors.url, "Hi")])

    assert asyncio.run(call()) == "Hello world"
    assert_whole(workspace, way)


@every_way
def test_a_call_that_the_client_tries_again_is_one_event(way: Way, vendors: Vendors, workspace: Workspace) -> None:
    before = len(vendors.requests)
    assert way.whole(vendors.url, f"refuses-once {way.whole.__name__}") == "Hello world"
    assert len(vendors.requests) == before + 2
    assert_whole(workspace, way)


@every_way
@pytest.mark.parametrize("prompt", ["fails-429", "fails-500"])
def test_a_call_that_fails_is_one_error_that_costs_nothing(
    way: Way, prompt: str, vendors: Vendors, workspace: Workspace
) -> None:
    with pytest.raises(Exception) as refusal:
        assert way.whole(vendors.url, prompt) if prompt == "fails-429" else list(way.stream(vendors.url, prompt))
    assert llmlab.flush()
    event = workspace.event()
    assert (event["status"], event["model"], event["cost"]) == ("error", way.model, 0)
    assert (event["input_tokens"], event["output_tokens"], event["metadata"]) == (0, 0, {})
    # Of an error its kind, never its text.
    assert event["error_message"].startswith(type(refusal.value).__name__)
    assert "Slow down" not in event["error_message"]


# The usage after reading "Hello ". Anthropic has reported the 1,000 tokens of the prompt, and Google the usage so far
# (1,000 tokens in, 400 of them from the cache; 400 out). For the others, the 40 bytes of the prompt are 14 tokens, and
# the 6 bytes read are 2:
CUT = {
    # 14*2.50 + 2*10.00 = 55
    "chat": (14, 2, Decimal("0.000055")),
    "responses": (14, 2, Decimal("0.000055")),
    # 300*3.00 + 400*0.30 + 200*3.75 + 100*6.00 + 2*15.00 = 2,400
    "messages": (1000, 2, Decimal("0.0024")),
    # 600*0.30 + 400*0.03 + 400*2.50 = 1,192
    "google": (1000, 400, Decimal("0.001192")),
    # 14*2.00 + 2*6.00 = 40
    "mistral": (14, 2, Decimal("0.00004")),
    "cohere": (14, 2, Decimal("0.000055")),
    "cohere-v1": (14, 2, Decimal("0.000055")),
}
PROMPT_OF_40 = "never-ends, and has forty letters in it."


def assert_cut(workspace: Workspace, name: str) -> None:
    """The only call has the cost of its prompt and of the text read, and is marked as estimated."""
    assert llmlab.flush()
    event = workspace.event()
    assert event["status"] == "success"
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == CUT[name]
    assert event["metadata"] == {"estimated": True}


@pytest.mark.parametrize("name", WAYS)
def test_a_stream_that_is_left_keeps_its_prompt(name: str, vendors: Vendors, workspace: Workspace) -> None:
    assert len(PROMPT_OF_40) == 40
    assert take(WAYS[name].stream(vendors.url, PROMPT_OF_40), "Hello ") == "Hello "
    gc.collect()
    assert_cut(workspace, name)


@pytest.mark.parametrize("name", WAYS)
def test_an_async_stream_that_is_left_keeps_its_prompt(name: str, vendors: Vendors, workspace: Workspace) -> None:
    async def call() -> str:
        return await atake(WAYS[name].astream(vendors.url, PROMPT_OF_40), "Hello ")

    assert asyncio.run(call()) == "Hello "
    gc.collect()
    assert_cut(workspace, name)


@pytest.mark.parametrize("name", WAYS)
def test_a_stream_that_breaks_off_is_an_error_that_keeps_its_prompt(
    name: str, vendors: Vendors, workspace: Workspace
) -> None:
    with pytest.raises(Exception) as broken:
        list(WAYS[name].stream(vendors.url, PROMPT_OF_40.replace("never-ends", "breaks-off")))
    assert type(broken.value) is not AssertionError
    assert llmlab.flush()
    event = workspace.event()
    assert event["status"] == "error"
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == CUT[name]


@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
def test_an_error_in_a_stream_is_an_error_that_keeps_its_prompt(
    name: str, vendors: Vendors, workspace: Workspace
) -> None:
    with pytest.raises(Exception) as said:
        list(WAYS[name].stream(vendors.url, PROMPT_OF_40.replace("never-ends", "errs------")))
    assert "APIError" in [kind.__name__ for kind in type(said.value).__mro__]
    assert llmlab.flush()
    event = workspace.event()
    assert event["status"] == "error"
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == CUT[name]
    code = "overloaded_error" if name == "messages" else "server_error"
    assert event["error_message"] == f"VendorError: {code}"


@every_way
def test_the_same_call_by_another_way_is_counted_once(way: Way, vendors: Vendors, workspace: Workspace) -> None:
    way.whole(vendors.url, "Hi")
    assert llmlab.flush()
    ids: dict[str, Any] = {
        "chat": "chatcmpl-{:029}",
        "responses": "resp_{:048x}",
        "messages": "msg_{:024}",
        "google": "response-{:014}",
        "mistral": "{:032x}",
    }
    name = next(name for name, known in WAYS.items() if known is way)
    number = len(vendors.requests)
    id = ids.get(name, "c0ffee00-0000-4000-8000-{:012}").format(number + 1_000_000 if name == "cohere-v1" else number)
    again = {"provider": way.provider, "model": way.model, "input_tokens": 1, "output_tokens": 1}
    answer = workspace.ask("POST", "/api/events/batch", {"events": [{**again, "response_id": id}]})
    assert answer == {"recorded": 0, "duplicates": 1, "rejected": []}
