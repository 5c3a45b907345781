"""smolagents with OpenInference and Phoenix's register(), which exports each span when it ends."""

from calling import LLMLAB, VENDOR
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from phoenix.otel import register
from smolagents import OpenAIServerModel, ToolCallingAgent

provider = register(endpoint=f"{LLMLAB}/v1/traces", protocol="http/protobuf", set_global_tracer_provider=True)
SmolagentsInstrumentor().instrument(tracer_provider=provider)
model = OpenAIServerModel(
    model_id="gpt-4o", api_base=f"{VENDOR}/v1", api_key="sk-proj-local", client_kwargs={"max_retries": 0}
)
for _ in range(3):
    ToolCallingAgent(tools=[], model=model, max_steps=2).run("use the tool")
provider.shutdown()
