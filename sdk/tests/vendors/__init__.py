"""Simulated model vendors: a local server with their wire formats."""
