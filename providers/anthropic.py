"""Anthropic. Its input counts leave the cached parts of the prompt out; they are added when its answers are read.

Line-up: https://docs.anthropic.com/en/docs/about-claude/models
"""

from providers.base import Provider

# How Claude Haiku 4.5 is called, by Anthropic and, with more around it, by those who resell it.
CLAUDE_HAIKU_45 = ("*claude-haiku-4-5*", "*claude-haiku-4.5*", "*claude-4-5-haiku*", "*claude-4.5-haiku*")

ANTHROPIC = Provider(
    "anthropic",
    smaller={
        "claude-3-opus-latest": "claude-sonnet-4-5",
        "claude-opus-4-0": "claude-sonnet-4-5",
        "claude-opus-4-1": "claude-sonnet-4-5",
        "claude-opus-4-5": "claude-sonnet-4-5",
        "claude-opus-4-6": "claude-sonnet-4-6",
        "claude-opus-4-7": "claude-sonnet-4-6",
        "claude-opus-4-8": "claude-sonnet-4-6",
        "claude-opus-5": "claude-sonnet-5",
        "claude-opus-5-5": "claude-sonnet-5-5",
        "claude-3-sonnet": "claude-haiku-4-5",
        "claude-3-5-sonnet": "claude-haiku-4-5",
        "claude-3-7-sonnet-latest": "claude-haiku-4-5",
        "claude-sonnet-4-0": "claude-haiku-4-5",
        "claude-sonnet-4-5": "claude-haiku-4-5",
        "claude-sonnet-4-6": "claude-haiku-4-5",
        "claude-sonnet-5": "claude-haiku-4-5",
        "claude-sonnet-5-5": "claude-haiku-5-5",
    },
)
