"""AutoGen with its own spans, or with OpenInference's instrumentation of OpenAI's client.

run.py own|openinference
"""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from calling import QUESTION, VENDOR, tracer_provider

provider = tracer_provider()
if sys.argv[1] == "openinference":
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)


async def calls() -> None:
    client = OpenAIChatCompletionClient(model="gpt-4o", base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0)
    await AssistantAgent("assistant", model_client=client).run(task=QUESTION)
    await client.close()


asyncio.run(calls())
provider.shutdown()
