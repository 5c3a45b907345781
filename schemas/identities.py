"""The identity of a caller. Internal: no caller receives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from models import Role, Scope

# Scopes that a role gives to a person's session.
ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    "admin": frozenset({"events:write", "read", "admin"}),
    "viewer": frozenset({"read"}),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, the workspace it acts in, and its scopes there. It is a person in a session, or an API key.

    `user_id` is that person, or the creator of the API key. `project` is the key of the project of an API key's events
    that name none.
    """

    user_id: UUID
    workspace_id: UUID
    scopes: frozenset[Scope]
    session_id: UUID | None = None
    key_id: UUID | None = None
    project: str | None = None

    @property
    def actor_id(self) -> UUID:
        """The actor in the audit log."""
        return self.key_id or self.user_id

    def parameters(self) -> dict[str, UUID]:
        """The parameters of a SQL function that writes: the workspace, and the actor for its audit log."""
        return {"workspace_id": self.workspace_id, "actor_id": self.actor_id}
