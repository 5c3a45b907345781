"""Pydantic AI with its own spans, or by Logfire with the vendors' clients instrumented as well; or Logfire without it.

run.py own|logfire|logfire-openai-anthropic
"""

import sys

from calling import (
    QUESTION,
    REFUSED,
    VENDOR,
    anthropic_client,
    call_anthropic,
    call_openai,
    openai_client,
    refused,
    tracer_provider,
)
from pydantic import BaseModel

variant = sys.argv[1]


class City(BaseModel):
    name: str
    population: int


def agents() -> None:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI
    from pydantic_ai import Agent, Embedder
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
    from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.google import GoogleProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    openai = OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0))
    anthropic = AnthropicProvider(
        anthropic_client=AsyncAnthropic(base_url=VENDOR, api_key="sk-ant-local", max_retries=0)
    )
    google = GoogleProvider(api_key="local", base_url=VENDOR)
    cached = AnthropicModelSettings(anthropic_cache_instructions="1h")
    chat = Agent(OpenAIChatModel("gpt-4o", provider=openai), name="chat")
    responses = Agent(OpenAIResponsesModel("gpt-5", provider=openai), name="responses")
    claude = Agent(
        AnthropicModel("claude-sonnet-4-5", provider=anthropic, settings=cached), name="claude", instructions="Answer."
    )
    gemini = Agent(GoogleModel("gemini-2.5-flash", provider=google), name="gemini")
    structured = Agent(AnthropicModel("claude-sonnet-4-5", provider=anthropic), name="cities", output_type=City)
    tooled = Agent(OpenAIChatModel("gpt-4o", provider=openai), name="tooled")

    @tooled.tool_plain
    def capital(country: str) -> str:
        """The capital of a country."""
        return "Paris"

    for agent in (chat, responses, claude, gemini, structured):
        agent.run_sync(QUESTION)
    # Two calls in one run.
    tooled.run_sync("use the tool")
    for agent in (chat, claude):
        streamed = agent.run_stream_sync(QUESTION)
        streamed.get_output()
    Embedder(OpenAIEmbeddingModel("text-embedding-3-small", provider=openai)).embed_query_sync(QUESTION)
    refused(chat.run_sync, REFUSED)


if variant == "own":
    from pydantic_ai import Agent, Embedder

    provider = tracer_provider()
    Agent.instrument_all()
    Embedder.instrument_all()
    agents()
    provider.shutdown()
else:
    import logfire

    # It sends to the addresses in OTEL_EXPORTER_OTLP_*.
    logfire.configure(send_to_logfire=False, console=False, service_name="clients")
    if variant == "logfire":
        logfire.instrument_pydantic_ai()
        logfire.instrument_openai()
        logfire.instrument_anthropic()
        agents()
    else:
        openai, anthropic = openai_client(), anthropic_client()
        logfire.instrument_openai(openai)
        logfire.instrument_anthropic(anthropic)
        call_openai(openai)
        call_anthropic(anthropic)
    logfire.force_flush()
    logfire.shutdown()
