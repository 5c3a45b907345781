"""Permissions: what a caller needs for a path."""

from typing import Literal

from starlette.types import Scope as ASGIScope

from models import Scope
from schemas.identities import Identity
from utils.errors import Forbidden

# A scope; a person who is signed in (an API key is not one); a person, or a key that sends events; any caller that is
# known; or nothing, for the public paths.
Need = Scope | Literal["person", "user", "anybody", "nothing"]

MEANINGS: dict[Need, str] = {
    "events:write": "For admins, and for API keys with the scope `events:write`.",
    "read": "For everybody in the workspace, and for API keys with the scope `read`.",
    "admin": "For admins, and for API keys with the scope `admin`.",
    "person": "For everybody who is signed in, but not for API keys.",
    "user": "For everybody who is signed in, and for API keys with the scope `events:write`.",
    "anybody": "For everybody in the workspace, and for every API key.",
}


def check(need: Need, scope: ASGIScope) -> None:
    """Raises Forbidden when the caller of a request does not have what its path needs."""
    if need == "nothing":
        return
    identity: Identity = scope["identity"]
    if need == "user":
        need = "anybody" if identity.session_id is not None else "events:write"
    if need == "person":
        if identity.session_id is None:
            raise Forbidden("Only somebody who is signed in can do this, not an API key")
    elif need != "anybody" and need not in identity.scopes:
        raise Forbidden(None if identity.key_id is None else f"This API key does not have the scope {need}")


def security(need: Need) -> list[dict[str, list[str]]]:
    """A need for the schema: alternatives, each with the scope of its bearer token; a session takes none."""
    if need in ("person", "anybody"):
        return [{"bearer": []}]
    return [{"bearer": []}, {"bearer": ["events:write"]}] if need == "user" else [{"bearer": [need]}]
