"""Permissions: what a path requires of its caller."""

from typing import Literal

from starlette.types import Scope as ASGIScope

from models import Scope
from schemas.identities import Identity
from utils.errors import Forbidden

# A scope; "person": a signed-in user, not an API key; "user": a signed-in user, or a key that may send events;
# "anybody": any authenticated caller; "nothing": a public path.
Need = Scope | Literal["person", "user", "anybody", "nothing"]

MEANINGS: dict[Need, str] = {
    "events:write": "For admins, and for API keys with the scope `events:write`.",
    "read": "For all members of the workspace, and for API keys with the scope `read`.",
    "admin": "For admins, and for API keys with the scope `admin`.",
    "person": "For signed-in users, not for API keys.",
    "user": "For signed-in users, and for API keys with the scope `events:write`.",
    "anybody": "For all members of the workspace, and for every API key.",
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
            raise Forbidden("API keys cannot do this; sign in as a user")
    elif need != "anybody" and need not in identity.scopes:
        raise Forbidden(None if identity.key_id is None else f"This API key does not have the scope {need}")


def security(need: Need) -> list[dict[str, list[str]]]:
    """A need as OpenAPI security requirements: alternatives, each with the scope of its bearer token, if it has one."""
    if need in ("person", "anybody"):
        return [{"bearer": []}]
    return [{"bearer": []}, {"bearer": ["events:write"]}] if need == "user" else [{"bearer": [need]}]
