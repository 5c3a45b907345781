"""Vendors of models for the tests: a local server that answers as they do."""
