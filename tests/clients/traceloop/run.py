"""OpenLLMetry with the clients of OpenAI and Anthropic: its spans in batches, at once, or within a workflow.

run.py batch|simple|workflow
"""

import sys

from calling import KEY, LLMLAB, call_anthropic, call_openai
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import workflow

how = sys.argv[1]
Traceloop.init(
    app_name="clients",
    api_endpoint=LLMLAB,
    headers={"Authorization": f"Bearer {KEY}"},
    disable_batch=how == "simple",
    telemetry_enabled=False,
)


def calls() -> None:
    call_openai()
    call_anthropic()


workflow(name="calls")(calls)() if how == "workflow" else calls()
if how != "simple":
    from opentelemetry import trace

    trace.get_tracer_provider().force_flush()
