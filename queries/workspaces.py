"""Workspaces, their members and invitations."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.identities import Identity
from schemas.workspaces import Invitation, Member, Workspace


class WorkspaceQueries(Functions):
    @function
    async def workspace_ids(self) -> list[UUID]: ...

    @function
    async def workspace_list(self, user_id: UUID) -> list[Workspace]: ...

    @function
    async def workspace_create(self, user_id: UUID, workspace_id: UUID, name: str, now: datetime) -> None: ...

    @function
    async def workspace_rename(self, by: Identity, name: str, now: datetime) -> None: ...

    @function
    async def workspace_delete(self, workspace_id: UUID, name: str, now: datetime) -> bool: ...

    @function
    async def member_list(self, workspace_id: UUID) -> list[Member]: ...

    @function
    async def member_set_role(self, by: Identity, user_id: UUID, role: str, now: datetime) -> None: ...

    @function
    async def member_remove(self, by: Identity, user_id: UUID, now: datetime) -> None: ...

    @function
    async def invitation_list(self, workspace_id: UUID, now: datetime) -> list[Invitation]: ...

    async def invitation_create(self, by: Identity, invitation: Invitation, token_hash: str) -> None:
        await self._do(
            "invitation_create",
            by,
            invitation_id=invitation.id,
            email=invitation.email,
            role=invitation.role,
            token_hash=token_hash,
            now=invitation.created_at,
            expires_at=invitation.expires_at,
        )

    @function
    async def invitation_delete(self, by: Identity, invitation_id: UUID, now: datetime) -> None: ...

    @function
    async def invitation_accept(self, token_hash: str, user_id: UUID, now: datetime) -> Workspace: ...
