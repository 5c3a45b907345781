"""OpenLIT with the clients of OpenAI and Anthropic."""

import openlit
from calling import KEY, LLMLAB, call_anthropic, call_openai
from opentelemetry import trace

openlit.init(
    application_name="clients",
    otlp_endpoint=LLMLAB,
    otlp_headers={"Authorization": f"Bearer {KEY}"},
    disable_metrics=True,
)
call_openai()
call_anthropic()
trace.get_tracer_provider().force_flush()
