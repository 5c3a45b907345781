"""Helpers for all packages: errors, JSON, tokens, identifiers, time."""
