"""Who is calling, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from models import Role, Scope

ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    "admin": frozenset({"events:write", "read", "admin"}),
    "viewer": frozenset({"read"}),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, in which workspace, and what they may do there: a person in a session, or an API key.

    `user_id` is that person, or whoever made the key; `project` is the key of the project of a key's events.
    """

    user_id: UUID
    workspace_id: UUID
    scopes: frozenset[Scope]
    session_id: UUID | None = None
    key_id: UUID | None = None
    project: str | None = None

    @property
    def actor_id(self) -> UUID:
        """Whose deed the audit log calls it."""
        return self.key_id or self.user_id
