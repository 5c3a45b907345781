"""OpenAI. Its input counts include the cached part of the prompt."""

from providers.base import Provider

OPENAI = Provider("openai")
