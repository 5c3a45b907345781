"""The workspace engine: workspaces, their members and invitations, and the audit log."""

from datetime import timedelta
from uuid import UUID

from database import Database
from engines.access import Access
from models import Role
from schemas.identities import Identity
from schemas.workspaces import (
    AuditPage,
    Invitation,
    InvitationIn,
    Invitations,
    Member,
    Members,
    NewInvitation,
    Workspace,
    Workspaces,
)
from utils.cursors import page_of, read_cursor, write_cursor
from utils.errors import Conflict, NotFound
from utils.ids import uuid7
from utils.keys import INVITATION_PREFIX, key_hash, new_key
from utils.time import now

_INVITATION_LIFETIME = timedelta(days=7)


class WorkspaceEngine:
    """Keeps workspaces and their members. Tells `access` when a member's rights change."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    async def workspaces(self, identity: Identity) -> Workspaces:
        """The caller's workspaces."""
        return Workspaces(workspaces=await self._database.workspace_list(identity.user_id))

    async def create(self, identity: Identity, name: str) -> Workspace:
        """A new workspace with the caller as its admin."""
        at = now()
        workspace_id = uuid7(at)
        await self._database.workspace_create(identity.user_id, workspace_id, name, at)
        return Workspace(id=workspace_id, name=name, role="admin", members=1, created_at=at)

    async def rename(self, identity: Identity, name: str) -> None:
        """Renames the workspace."""
        await self._database.workspace_rename(identity, name, now())

    async def delete(self, identity: Identity, name: str) -> None:
        """Deletes the workspace with all its data. Raises Conflict when `name` is not its name."""
        if not await self._database.workspace_delete(identity.workspace_id, name, now()):
            raise Conflict("name must be the name of the workspace to delete")
        self._access.changed()

    # Members

    async def members(self, identity: Identity) -> Members:
        """The members of the workspace."""
        return Members(members=await self._database.member_list(identity.workspace_id))

    async def set_role(self, identity: Identity, user_id: UUID, role: Role) -> Member:
        """Makes a member an admin or a viewer. Raises NotFound, and Conflict for the last admin."""
        await self._database.member_set_role(identity, user_id, role, now())
        self._access.changed()
        for member in await self._database.member_list(identity.workspace_id):
            if member.user_id == user_id:
                return member
        raise NotFound("Member not found")

    async def remove(self, identity: Identity, user_id: UUID) -> None:
        """Removes a member. Raises NotFound, and Conflict for the last admin."""
        await self._database.member_remove(identity, user_id, now())
        self._access.changed()

    async def leave(self, identity: Identity) -> None:
        """The caller leaves. Raises Conflict for the last admin."""
        await self.remove(identity, identity.user_id)

    # Invitations

    async def invitations(self, identity: Identity) -> Invitations:
        """The open invitations."""
        return Invitations(invitations=await self._database.invitation_list(identity.workspace_id, now()))

    async def invite(self, identity: Identity, new: InvitationIn) -> NewInvitation:
        """Invites an address for 7 days; an earlier invitation of it is void. Raises Conflict for a member."""
        at = now()
        invitation = Invitation(
            id=uuid7(at), email=new.email, role=new.role, created_at=at, expires_at=at + _INVITATION_LIFETIME
        )
        token = new_key(INVITATION_PREFIX)
        await self._database.invitation_create(identity, invitation, key_hash(token))
        return NewInvitation(**invitation.model_dump(), token=token)

    async def withdraw(self, identity: Identity, invitation_id: UUID) -> None:
        """Withdraws an invitation. Raises NotFound."""
        await self._database.invitation_delete(identity, invitation_id, now())

    async def accept(self, identity: Identity, token: str) -> Workspace:
        """Adds the caller as a member. Raises NotFound for an invalid token, Forbidden for another person's."""
        workspace = await self._database.invitation_accept(key_hash(token), identity.user_id, now())
        self._access.changed()
        return workspace

    # The audit log

    async def audit(self, identity: Identity, cursor: str | None, limit: int) -> AuditPage:
        """The entries of the audit log, newest first."""
        before = None if cursor is None else read_cursor(cursor)
        found = await self._database.audit_list(identity.workspace_id, before, limit + 1)
        page, next_cursor = page_of(found, limit, lambda entry: write_cursor(entry.at, entry.id))
        return AuditPage(count=len(page), entries=page, next_cursor=next_cursor)
