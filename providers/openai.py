"""OpenAI. Its input counts include the cached part of the prompt. Line-up: https://platform.openai.com/docs/models"""

from providers.base import Provider

OPENAI = Provider(
    "openai",
    smaller={
        "gpt-4": "gpt-4o",
        "gpt-4-32k": "gpt-4o",
        "gpt-4-turbo": "gpt-4o",
        "gpt-4.5-preview": "gpt-4.1",
        "gpt-3.5-turbo": "gpt-4o-mini",
        "gpt-3.5-turbo-16k": "gpt-4o-mini",
        "gpt-4o": "gpt-4o-mini",
        "gpt-4o-2024-05-13": "gpt-4o-mini",
        "gpt-4.1": "gpt-4.1-mini",
        "gpt-4.1-mini": "gpt-4.1-nano",
        "gpt-5": "gpt-5-mini",
        "gpt-5.1": "gpt-5-mini",
        "gpt-5.2": "gpt-5-mini",
        "gpt-5-mini": "gpt-5-nano",
        "gpt-5.4": "gpt-5.4-mini",
        "gpt-5.4-mini": "gpt-5.4-nano",
        "gpt-5.6-sol": "gpt-5.6-terra",
        "gpt-5.6-terra": "gpt-5.6-luna",
        "o1": "o3",
        "o3": "o4-mini",
    },
)
