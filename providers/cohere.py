"""Cohere. It bills the units it calls billed, not the tokens it counts, so those are believed first.

Line-up: https://docs.cohere.com/docs/models
"""

from providers.base import Provider

COHERE = Provider(
    "cohere",
    flavors=("default", "tokens", "embeddings"),
    smaller={
        "command-a": "command-r",
        "command-r-plus": "command-r",
        "command-r": "command-r7b",
    },
)
