"""Langfuse's package: an exporter of OpenTelemetry beside its own, or its own one at LLMLab's address.

run.py otlp|own openai|langchain|manual
"""

import os
import sys

from calling import KEY, LLMLAB, QUESTION, VENDOR, call_openai, tracer_provider

road, what = sys.argv[1:]
if road == "own":
    os.environ |= {"LANGFUSE_PUBLIC_KEY": "llmlab", "LANGFUSE_SECRET_KEY": KEY, "LANGFUSE_HOST": LLMLAB}
    os.environ["LANGFUSE_BASE_URL"] = LLMLAB
    provider = None
else:
    os.environ |= {"LANGFUSE_PUBLIC_KEY": "pk-lf-local", "LANGFUSE_SECRET_KEY": "sk-lf-local"}
    # Its own exporter has nowhere to go.
    os.environ |= {"LANGFUSE_HOST": "http://127.0.0.1:9", "LANGFUSE_BASE_URL": "http://127.0.0.1:9"}
    provider = tracer_provider()

from langfuse import get_client  # noqa: E402

langfuse = get_client()

if what == "openai":
    from langfuse.openai import OpenAI

    call_openai(OpenAI(base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0))
elif what == "langchain":
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI
    from langfuse.langchain import CallbackHandler

    config = {"callbacks": [CallbackHandler()]}
    openai = ChatOpenAI(
        model="gpt-4o", base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0, stream_usage=True
    )
    claude = ChatAnthropic(model="claude-sonnet-4-5", base_url=VENDOR, api_key="sk-ant-local", max_retries=0)
    for model in (openai, claude):
        model.invoke(QUESTION, config=config)
        list(model.stream(QUESTION, config=config))
else:
    from calling import MESSAGES, openai_client

    client = openai_client()
    with langfuse.start_as_current_observation(as_type="generation", name="call", model="gpt-4o") as generation:
        answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        read = answer.usage.prompt_tokens_details.cached_tokens
        generation.update(
            model=answer.model,
            usage_details={
                "input": answer.usage.prompt_tokens - read,
                "input_cached_tokens": read,
                "output": answer.usage.completion_tokens,
            },
        )

langfuse.flush()
if provider is not None:
    provider.shutdown()
# Its own exporter cannot end well without a server.
os._exit(0)
