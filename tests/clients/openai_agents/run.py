"""OpenAI's Agents SDK with OpenInference or OpenLLMetry.

run.py openinference|openinference-both|openllmetry [simple]
"""

import asyncio
import sys

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from calling import QUESTION, REFUSED, VENDOR, tracer_provider
from openai import AsyncOpenAI

what = sys.argv[1]
provider = tracer_provider(simple="simple" in sys.argv)
set_tracing_disabled(False)
if what == "openllmetry":
    from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
else:
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
if what == "openinference-both":
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
client = AsyncOpenAI(base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0)


@function_tool
def capital(country: str) -> str:
    """The capital of a country."""
    return "Paris"


async def calls() -> None:
    responses = Agent(name="responses", model=OpenAIResponsesModel("gpt-5", client), tools=[capital])
    chat = Agent(name="chat", model=OpenAIChatCompletionsModel("gpt-4o", client))
    await Runner.run(responses, QUESTION)
    await Runner.run(responses, "use the tool")
    await Runner.run(chat, QUESTION)
    for agent in (responses, chat):
        async for _ in Runner.run_streamed(agent, QUESTION).stream_events():
            pass
    try:
        await Runner.run(chat, REFUSED)
    except Exception as error:
        print(f"refused: {type(error).__name__}")


asyncio.run(calls())
provider.shutdown()
