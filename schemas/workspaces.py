"""Workspaces, their members and invitations, and the audit log."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from models import Answer, Email, Name, Request, Role


class WorkspaceName(Request):
    """What to call a workspace."""

    name: Name = Field(examples=["Discovery team"])


class Workspace(Answer):
    """A workspace the caller belongs to, and as what."""

    id: UUID
    name: str
    role: Role
    members: int
    created_at: datetime


class Workspaces(Answer):
    """The caller's workspaces; without the header X-Workspace-Id a request is about the first."""

    workspaces: list[Workspace]


# Members


class Member(Answer):
    """Somebody who belongs to the workspace."""

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime


class Members(Answer):
    """Who belongs to the workspace, the first one first."""

    members: list[Member]


class RoleChange(Request):
    """What a member shall be."""

    role: Role


# Invitations


class InvitationIn(Request):
    """Who shall join, and as what."""

    email: Email = Field(examples=["grace@example.com"])
    role: Role = "viewer"


class Invitation(Answer):
    """An invitation nobody has accepted yet."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


class NewInvitation(Invitation):
    """A new invitation with its token, which is shown this once: send it to whom you invite."""

    token: str


class Invitations(Answer):
    """The open invitations, newest first."""

    invitations: list[Invitation]


class InvitationToken(Request):
    """The token of an invitation."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=128)]


# Audit log


class AuditLine(Answer):
    """What somebody did."""

    id: UUID
    at: datetime
    actor_id: UUID = Field(description="A user or an API key")
    actor: str = Field(description="What they were called then: an address, or API key and its name")
    action: str = Field(examples=["key.created"])
    target: str = Field(description="What it was done to, by name")
    details: dict[str, Any]


class AuditPage(Answer):
    """A page of the audit log, newest first."""

    count: int
    entries: list[AuditLine]
    next_cursor: str | None
