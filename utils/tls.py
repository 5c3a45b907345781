"""Which certificates are trusted."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """The certificate authorities that everybody trusts. Reading them takes 50 ms, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)
