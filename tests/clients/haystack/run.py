"""Haystack with OpenInference; each span is exported when it ends."""

import os

os.environ["HAYSTACK_CONTENT_TRACING_ENABLED"] = "true"
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "false"

from calling import QUESTION, VENDOR, tracer_provider
from haystack import Pipeline
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret
from openinference.instrumentation.haystack import HaystackInstrumentor

provider = tracer_provider(simple=True)
HaystackInstrumentor().instrument(tracer_provider=provider)
pipeline = Pipeline()
pipeline.add_component(
    "llm",
    OpenAIChatGenerator(
        api_key=Secret.from_token("sk-proj-local"), model="gpt-4o", api_base_url=f"{VENDOR}/v1", max_retries=0
    ),
)
for _ in range(3):
    pipeline.run({"llm": {"messages": [ChatMessage.from_user(QUESTION)]}})
provider.shutdown()
