"""Semantic Kernel with its own spans."""

import asyncio
import os

os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS"] = "true"

from calling import QUESTION, VENDOR, tracer_provider
from openai import AsyncOpenAI
from semantic_kernel.connectors.ai.open_ai import (
    OpenAIChatCompletion,
    OpenAIChatPromptExecutionSettings,
    OpenAITextEmbedding,
)
from semantic_kernel.contents import ChatHistory

provider = tracer_provider()
client = AsyncOpenAI(base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0)


async def calls() -> None:
    chat = OpenAIChatCompletion(ai_model_id="gpt-4o", async_client=client)
    history = ChatHistory()
    history.add_user_message(QUESTION)
    await chat.get_chat_message_content(history, OpenAIChatPromptExecutionSettings())
    async for _ in chat.get_streaming_chat_message_content(history, OpenAIChatPromptExecutionSettings()):
        pass
    await OpenAITextEmbedding(ai_model_id="text-embedding-3-small", async_client=client).generate_embeddings([QUESTION])


asyncio.run(calls())
provider.shutdown()
