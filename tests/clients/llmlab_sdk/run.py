"""LLMLab's SDK with the clients of OpenAI and Anthropic; the end of the process sends what is left."""

import llmlab
from calling import call_anthropic, call_openai

llmlab.instrument()
call_openai()
call_anthropic()
