"""Reads headers and the client address of an ASGI request, for middleware."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """The first header with that name, given in lower case; None if it is missing."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def client_address(scope: Scope) -> str:
    """The IP address of the client; empty if it is unknown."""
    return scope["client"][0] if scope.get("client") else ""
