"""The TLS context for outgoing connections."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """A context with the default certificate authorities. Cached, because reading them takes 50 ms."""
    return httpx.create_ssl_context(trust_env=False)
