"""Calls that the programs of several clients make alike, with the vendors' own packages."""

import os
from typing import Any

VENDOR = os.environ["VENDOR_URL"]
LLMLAB = os.environ["LLMLAB_URL"]
KEY = os.environ["LLMLAB_API_KEY"]
QUESTION = "What is the capital of France?"
# The vendors refuse prompts with these words.
REFUSED = "Please refuse this"
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]
_SYSTEM: list[Any] = [
    {"type": "text", "text": "You answer in one sentence.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
]


def refused(call: Any, *arguments: Any, **options: Any) -> None:
    """Makes a call that must fail."""
    try:
        call(*arguments, **options)
    except Exception as error:
        print(f"refused: {type(error).__name__}")
    else:
        raise AssertionError("the vendor refuses this")


def openai_client(**options: Any) -> Any:
    """OpenAI's client for the simulated vendor; it makes each call once."""
    from openai import OpenAI

    return OpenAI(base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0, **options)


def anthropic_client(**options: Any) -> Any:
    """Anthropic's client for the simulated vendor; it makes each call once."""
    from anthropic import Anthropic

    return Anthropic(base_url=VENDOR, api_key="sk-ant-local", max_retries=0, **options)


def call_openai(client: Any = None) -> None:
    """Chat completions, responses, embeddings, streams, and a call that fails."""
    client = client or openai_client()
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    client.chat.completions.create(model="gpt-5", messages=MESSAGES)
    options = {"include_usage": True}
    list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, stream_options=options))
    client.responses.create(model="gpt-5", input=QUESTION)
    list(client.responses.create(model="gpt-4o", input=QUESTION, stream=True))
    client.embeddings.create(model="text-embedding-3-small", input=QUESTION)
    refused(client.chat.completions.create, model="gpt-4o", messages=[{"role": "user", "content": REFUSED}])


def call_anthropic(client: Any = None) -> None:
    """Messages that write to the cache for five minutes and an hour, streams, and a call that fails."""
    client = client or anthropic_client()
    prompt = {"max_tokens": 300, "system": _SYSTEM, "messages": MESSAGES}
    client.messages.create(model="claude-sonnet-4-5", **prompt)
    client.messages.create(model="claude-haiku-4-5", **prompt)
    list(client.messages.create(model="claude-sonnet-4-5", stream=True, **prompt))
    with client.messages.stream(model="claude-sonnet-4-5", **prompt) as stream:
        stream.get_final_message()
    message = {"role": "user", "content": REFUSED}
    refused(client.messages.create, model="claude-sonnet-4-5", max_tokens=300, messages=[message])


def tracer_provider(simple: bool = False) -> Any:
    """The process's tracer provider, which exports to LLMLab: in batches, or each span when it ends."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter) if simple else BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider
