"""Anthropic. Its input counts leave the cached parts of the prompt out; they are added when its answers are read."""

from providers.base import Provider

# How Claude Haiku 4.5 is called, by Anthropic and, with more around it, by those who resell it.
CLAUDE_HAIKU_45 = ("*claude-haiku-4-5*", "*claude-haiku-4.5*", "*claude-4-5-haiku*", "*claude-4.5-haiku*")

ANTHROPIC = Provider("anthropic")
