"""OpenInference with OpenAI's client, with LangChain, or with both.

run.py openai|langchain|both [simple]
"""

import sys

from calling import QUESTION, VENDOR, call_openai, tracer_provider

what = sys.argv[1]
provider = tracer_provider(simple="simple" in sys.argv)
if what in ("openai", "both"):
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
if what in ("langchain", "both"):
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    openai = ChatOpenAI(
        model="gpt-4o", base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0, stream_usage=True
    )
    claude = ChatAnthropic(model="claude-sonnet-4-5", base_url=VENDOR, api_key="sk-ant-local", max_retries=0)
    for model in (openai, claude):
        model.invoke(QUESTION)
        list(model.stream(QUESTION))
if what == "openai":
    call_openai()
provider.shutdown()
