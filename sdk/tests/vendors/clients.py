"""How applications call the vendors' clients: for each, a whole answer and a stream, sync and async.

Each takes the address of the vendors' server and a prompt, and returns the text of the answer, or its pieces.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import anthropic
import cohere
import openai
from google import genai
from google.genai import types
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig

KEY = "key"
GPT = "gpt-4o"
CLAUDE = "claude-sonnet-4-6"
GEMINI = "gemini-2.5-flash"
MISTRAL = "mistral-large-2411"
COMMAND = "command-r-plus-08-2024"


def openai_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=f"{url}/v1")


def openai_async(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1")


def anthropic_client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=KEY, base_url=url)


def anthropic_async(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key=KEY, base_url=url)


def google_client(url: str) -> genai.Client:
    retries = types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.001)
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url, retry_options=retries))


def mistral_client(url: str, prompt: str = "") -> Mistral:
    # It retries for this many milliseconds; a busy machine may take long for the first answer.
    elapsed = 600_000 if "refuses-once" in prompt else 20
    retries = RetryConfig("backoff", BackoffStrategy(1, 2, 1.0, elapsed), retry_connection_errors=False)
    return Mistral(api_key=KEY, server_url=url, retry_config=retries)


def chat_messages(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


# OpenAI


def chat(url: str, prompt: str) -> str:
    with openai_client(url) as client:
        answer = client.chat.completions.create(model=GPT, messages=chat_messages(prompt))
        assert answer.usage is not None
        assert answer.usage.total_tokens == 1500
        return answer.choices[0].message.content or ""


async def achat(url: str, prompt: str) -> str:
    async with openai_async(url) as client:
        answer = await client.chat.completions.create(model=GPT, messages=chat_messages(prompt))
        return answer.choices[0].message.content or ""


def chat_stream(url: str, prompt: str) -> Iterator[str]:
    with openai_client(url) as client:
        for chunk in client.chat.completions.create(model=GPT, messages=chat_messages(prompt), stream=True):
            yield chunk.choices[0].delta.content or ""


async def achat_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with openai_async(url) as client:
        async for chunk in await client.chat.completions.create(model=GPT, messages=chat_messages(prompt), stream=True):
            yield chunk.choices[0].delta.content or ""


def responses(url: str, prompt: str) -> str:
    with openai_client(url) as client:
        return client.responses.create(model=GPT, input=prompt).output_text


async def aresponses(url: str, prompt: str) -> str:
    async with openai_async(url) as client:
        return (await client.responses.create(model=GPT, input=prompt)).output_text


def responses_stream(url: str, prompt: str) -> Iterator[str]:
    with openai_client(url) as client, client.responses.create(model=GPT, input=prompt, stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                yield event.delta


async def aresponses_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with openai_async(url) as client:
        async for event in await client.responses.create(model=GPT, input=prompt, stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta


# Anthropic


def messages(url: str, prompt: str) -> str:
    with anthropic_client(url) as client:
        answer = client.messages.create(model=CLAUDE, max_tokens=600, messages=chat_messages(prompt))
        assert answer.usage.cache_read_input_tokens == 400
        assert answer.content[0].type == "text"
        return answer.content[0].text


async def amessages(url: str, prompt: str) -> str:
    async with anthropic_async(url) as client:
        answer = await client.messages.create(model=CLAUDE, max_tokens=600, messages=chat_messages(prompt))
        assert answer.content[0].type == "text"
        return answer.content[0].text


def messages_create_stream(url: str, prompt: str) -> Iterator[str]:
    with anthropic_client(url) as client:
        for event in client.messages.create(model=CLAUDE, max_tokens=600, messages=chat_messages(prompt), stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text


def messages_stream(url: str, prompt: str) -> Iterator[str]:
    with (
        anthropic_client(url) as client,
        client.messages.stream(model=CLAUDE, max_tokens=600, messages=chat_messages(prompt)) as stream,
    ):
        yield from stream.text_stream


async def amessages_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with (
        anthropic_async(url) as client,
        client.messages.stream(model=CLAUDE, max_tokens=600, messages=chat_messages(prompt)) as stream,
    ):
        async for text in stream.text_stream:
            yield text


# Google


def generate(url: str, prompt: str) -> str:
    with google_client(url) as client:
        answer = client.models.generate_content(model=GEMINI, contents=prompt)
        assert answer.usage_metadata is not None
        assert answer.usage_metadata.thoughts_token_count == 200
        return answer.text or ""


async def agenerate(url: str, prompt: str) -> str:
    async with google_client(url).aio as client:
        return (await client.models.generate_content(model=GEMINI, contents=prompt)).text or ""


def generate_stream(url: str, prompt: str) -> Iterator[str]:
    with google_client(url) as client:
        for chunk in client.models.generate_content_stream(model=GEMINI, contents=prompt):
            yield chunk.text or ""


async def agenerate_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with google_client(url).aio as client:
        async for chunk in await client.models.generate_content_stream(model=GEMINI, contents=prompt):
            yield chunk.text or ""


# Mistral


def complete(url: str, prompt: str) -> str:
    with mistral_client(url, prompt) as client:
        answer = client.chat.complete(model=MISTRAL, messages=chat_messages(prompt))
        assert answer.usage.prompt_tokens == 1000
        return str(answer.choices[0].message.content)


async def acomplete(url: str, prompt: str) -> str:
    async with mistral_client(url, prompt) as client:
        answer = await client.chat.complete_async(model=MISTRAL, messages=chat_messages(prompt))
        return str(answer.choices[0].message.content)


def complete_stream(url: str, prompt: str) -> Iterator[str]:
    with (
        mistral_client(url, prompt) as client,
        client.chat.stream(model=MISTRAL, messages=chat_messages(prompt)) as stream,
    ):
        for event in stream:
            yield str(event.data.choices[0].delta.content)


async def acomplete_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with mistral_client(url, prompt) as client:
        async for event in await client.chat.stream_async(model=MISTRAL, messages=chat_messages(prompt)):
            yield str(event.data.choices[0].delta.content)


# Cohere


def cohere_chat(url: str, prompt: str) -> str:
    with cohere.ClientV2(KEY, base_url=url) as client:
        answer = client.chat(model=COMMAND, messages=chat_messages(prompt))
        assert answer.usage is not None
        content: Any = answer.message.content
        return str(content[0].text)


async def acohere_chat(url: str, prompt: str) -> str:
    async with cohere.AsyncClientV2(KEY, base_url=url) as client:
        content: Any = (await client.chat(model=COMMAND, messages=chat_messages(prompt))).message.content
        return str(content[0].text)


def cohere_stream(url: str, prompt: str) -> Iterator[str]:
    with cohere.ClientV2(KEY, base_url=url) as client:
        event: Any
        for event in client.chat_stream(model=COMMAND, messages=chat_messages(prompt)):
            if event.type == "content-delta":
                yield event.delta.message.content.text


async def acohere_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with cohere.AsyncClientV2(KEY, base_url=url) as client:
        event: Any
        async for event in client.chat_stream(model=COMMAND, messages=chat_messages(prompt)):
            if event.type == "content-delta":
                yield event.delta.message.content.text


def cohere_v1_chat(url: str, prompt: str) -> str:
    with cohere.Client(KEY, base_url=url) as client:
        return str(client.chat(model=COMMAND, message=prompt).text)


async def acohere_v1_chat(url: str, prompt: str) -> str:
    async with cohere.AsyncClient(KEY, base_url=url) as client:
        return str((await client.chat(model=COMMAND, message=prompt)).text)


def cohere_v1_stream(url: str, prompt: str) -> Iterator[str]:
    with cohere.Client(KEY, base_url=url) as client:
        for event in client.chat_stream(model=COMMAND, message=prompt):
            if event.event_type == "text-generation":
                yield event.text


async def acohere_v1_stream(url: str, prompt: str) -> AsyncIterator[str]:
    async with cohere.AsyncClient(KEY, base_url=url) as client:
        async for event in client.chat_stream(model=COMMAND, message=prompt):
            if event.event_type == "text-generation":
                yield event.text


class Way(NamedTuple):
    """One way to call a vendor, and its cost.

    `cost` is that of an answer, in USD; `reads_cache` is true if the vendor reports cached tokens of the prompt.
    """

    provider: str
    model: str
    whole: Callable[[str, str], str]
    awhole: Callable[[str, str], Awaitable[str]]
    stream: Callable[[str, str], Iterator[str]]
    astream: Callable[[str, str], AsyncIterator[str]]
    cost: Decimal
    reads_cache: bool


# USD per million tokens: input, read from the cache, written to it for five minutes, for an hour, output.
# gpt-4o:            2.50 1.25           10.00   600*2.50 + 400*1.25                      + 500*10.00 = 7,000
# claude-sonnet-4-6: 3.00 0.30 3.75 6.00 15.00   300*3.00 + 400*0.30 + 200*3.75 + 100*6.00 + 500*15.00 = 9,870
# gemini-2.5-flash:  0.30 0.03           2.50    600*0.30 + 400*0.03                      + 500*2.50  = 1,442
# mistral-large:     2.00                6.00    1000*2.00                                + 500*6.00  = 5,000
# command-r-plus:    2.50                10.00   1000*2.50                                + 500*10.00 = 7,500
WAYS = {
    "chat": Way("openai", GPT, chat, achat, chat_stream, achat_stream, Decimal("0.007"), True),
    "responses": Way("openai", GPT, responses, aresponses, responses_stream, aresponses_stream, Decimal("0.007"), True),
    "messages": Way(
        "anthropic", CLAUDE, messages, amessages, messages_stream, amessages_stream, Decimal("0.00987"), True
    ),
    "google": Way("google", GEMINI, generate, agenerate, generate_stream, agenerate_stream, Decimal("0.001442"), True),
    "mistral": Way("mistral", MISTRAL, complete, acomplete, complete_stream, acomplete_stream, Decimal("0.005"), False),
    "cohere": Way(
        "cohere", COMMAND, cohere_chat, acohere_chat, cohere_stream, acohere_stream, Decimal("0.0075"), False
    ),
    "cohere-v1": Way(
        "cohere",
        COMMAND,
        cohere_v1_chat,
        acohere_v1_chat,
        cohere_v1_stream,
        acohere_v1_stream,
        Decimal("0.0075"),
        False,
    ),
}
