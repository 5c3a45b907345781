"""LlamaIndex with OpenInference's instrumentation or with OpenLLMetry's.

run.py openinference|openllmetry
"""

import sys

from calling import QUESTION, REFUSED, VENDOR, refused, tracer_provider
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAI

provider = tracer_provider()
if sys.argv[1] == "openinference":
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
else:
    from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor
LlamaIndexInstrumentor().instrument(tracer_provider=provider)

openai = OpenAI(
    model="gpt-4o",
    api_base=f"{VENDOR}/v1",
    api_key="sk-proj-local",
    max_retries=0,
    additional_kwargs={"stream_options": {"include_usage": True}},
)
claude = Anthropic(model="claude-sonnet-4-5", base_url=VENDOR, api_key="sk-ant-local", max_retries=0)
messages = [ChatMessage(role="user", content=QUESTION)]
whole = OpenAI(model="gpt-4o", api_base=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0)
whole.chat(messages)
list(openai.stream_chat(messages))
claude.chat(messages)
list(claude.stream_chat(messages))
OpenAIEmbedding(
    model_name="text-embedding-3-small", api_base=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0
).get_text_embedding(QUESTION)
refused(whole.chat, [ChatMessage(role="user", content=REFUSED)])
provider.shutdown()
