"""Mistral."""

from providers.base import Provider

MISTRAL = Provider("mistral")
