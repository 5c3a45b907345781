"""LangChain at Claude; Anthropic's package reports the calls by itself."""

from calling import MESSAGES, QUESTION, VENDOR, tracer_provider
from langchain_anthropic import ChatAnthropic

provider = tracer_provider()
model = ChatAnthropic(model="claude-sonnet-4-5", base_url=VENDOR, api_key="sk-ant-local", max_retries=0)
model.invoke(QUESTION)
list(model.stream(QUESTION))
model.invoke(MESSAGES)
provider.shutdown()
