"""Workspaces, their members and invitations, and the audit log."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from models import Answer, Email, Name, Request, Role


class WorkspaceName(Request):
    """The name of a workspace."""

    name: Name = Field(examples=["Discovery team"])


class Workspace(Answer):
    """A workspace of the caller, and their role in it."""

    id: UUID
    name: str
    role: Role
    members: int
    created_at: datetime


class Workspaces(Answer):
    """The caller's workspaces; the first is the default without the header X-Workspace-Id."""

    workspaces: list[Workspace]


# Members


class Member(Answer):
    """A member of the workspace."""

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime


class Members(Answer):
    """Members of the workspace, in the order they joined."""

    members: list[Member]


class RoleChange(Request):
    """The new role of a member."""

    role: Role


# Invitations


class InvitationIn(Request):
    """An address to invite, and its role."""

    email: Email = Field(examples=["grace@example.com"])
    role: Role = "viewer"


class Invitation(Answer):
    """An open invitation."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


class NewInvitation(Invitation):
    """A new invitation. Send its token to the invited person; it is shown only once."""

    token: str


class Invitations(Answer):
    """Open invitations, newest first."""

    invitations: list[Invitation]


class InvitationToken(Request):
    """The token of an invitation."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=128)]


# Audit log


class AuditLine(Answer):
    """An entry of the audit log."""

    id: UUID
    at: datetime
    actor_id: UUID = Field(description="Id of a user or API key")
    actor: str = Field(description="E-mail address, or API key and its name, at that time")
    action: str = Field(examples=["key.created"])
    target: str = Field(description="Name of what was changed")
    details: dict[str, Any]


class AuditPage(Answer):
    """A page of the audit log, newest first."""

    count: int
    entries: list[AuditLine]
    next_cursor: str | None
