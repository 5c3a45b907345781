"""OpenTelemetry's own instrumentation of OpenAI's client."""

from calling import call_openai, tracer_provider
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

provider = tracer_provider()
OpenAIInstrumentor().instrument(tracer_provider=provider)
call_openai()
provider.shutdown()
