"""Cohere. It bills the units it calls billed, not the tokens it counts, so those are believed first."""

from providers.base import Provider

COHERE = Provider("cohere", flavors=("default", "tokens", "embeddings"))
