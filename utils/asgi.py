"""What there is in an ASGI request, for those who see it before a framework does."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, in small letters; None when there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def client_address(scope: Scope) -> str:
    """Where a request comes from; empty when nobody knows."""
    return scope["client"][0] if scope.get("client") else ""
