"""Mistral. Line-up: https://docs.mistral.ai/getting-started/models"""

from providers.base import Provider

MISTRAL = Provider(
    "mistral",
    smaller={
        "mistral-large": "mistral-medium-2508",
        "mistral-medium-2312": "mistral-medium-2508",
        "mistral-medium-latest": "mistral-small-latest",
        "mistral-medium-3-5": "mistral-small-latest",
        "mistral-medium-3-1": "mistral-small-latest",
        "pixtral-large": "mistral-medium-2508",
    },
)
