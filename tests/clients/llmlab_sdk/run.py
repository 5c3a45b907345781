"""LLMLab's SDK with the clients of OpenAI and Anthropic; the end of the process sends what is left."""

import os

from calling import KEY, LLMLAB, call_anthropic, call_openai

os.environ |= {"LLMLAB_BASE_URL": LLMLAB, "LLMLAB_API_KEY": KEY}
import llmlab  # noqa: E402

llmlab.instrument()
call_openai()
call_anthropic()
