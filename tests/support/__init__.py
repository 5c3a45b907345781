"""Helpers of the tests: the product as its users start it, other servers, callers and data."""
