"""Workspaces: which I belong to, who else does, and what was done there."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from routes.deps import Cursor, Limit
from routes.exact import Call, download, needs, problems, router
from schemas.workspaces import (
    AuditPage,
    InvitationIn,
    Invitations,
    InvitationToken,
    Member,
    Members,
    NewInvitation,
    RoleChange,
    Workspace,
    WorkspaceName,
    Workspaces,
)

workspaces = router("/api/workspaces", "workspaces")
audit = router("/api/audit", "workspaces")
UserId = Annotated[UUID, Path(description="A member's user_id")]


@workspaces.get("", summary="The workspaces I belong to")
@needs("person")
async def listing(call: Call) -> Workspaces:
    return await call.workspaces.workspaces(call.caller)


@workspaces.post("", status_code=201, responses=problems(409), summary="Create a workspace of mine")
@needs("person")
async def create(call: Call, new: WorkspaceName) -> Workspace:
    return await call.workspaces.create(call.caller, new.name)


@workspaces.patch("/current", status_code=204, summary="Rename this workspace")
@needs("admin")
async def rename(call: Call, change: WorkspaceName) -> None:
    return await call.workspaces.rename(call.caller, change.name)


@workspaces.delete(
    "/current", status_code=204, responses=problems(409), summary="Delete this workspace and all it holds, for good"
)
@needs("admin")
async def delete(
    call: Call, name: Annotated[str, Query(max_length=128, description="The workspace's name, to be sure")]
) -> None:
    return await call.workspaces.delete(call.caller, name)


@workspaces.post("/leave", status_code=204, responses=problems(409), summary="Leave this workspace")
@needs("person")
async def leave(call: Call) -> None:
    return await call.workspaces.leave(call.caller)


@workspaces.get("/members", summary="Who belongs to this workspace")
async def members(call: Call) -> Members:
    return await call.workspaces.members(call.caller)


@workspaces.patch("/members/{user_id}", responses=problems(404, 409), summary="Make a member an admin or a viewer")
@needs("admin")
async def set_role(call: Call, user_id: UserId, change: RoleChange) -> Member:
    return await call.workspaces.set_role(call.caller, user_id, change.role)


@workspaces.delete(
    "/members/{user_id}", status_code=204, responses=problems(404, 409), summary="Remove a member from this workspace"
)
@needs("admin")
async def remove(call: Call, user_id: UserId) -> None:
    return await call.workspaces.remove(call.caller, user_id)


@workspaces.get("/invitations", summary="The open invitations")
@needs("admin")
async def invitations(call: Call) -> Invitations:
    return await call.workspaces.invitations(call.caller)


@workspaces.post(
    "/invitations",
    status_code=201,
    responses=problems(409),
    summary="Invite an address for 7 days; send the token to whom you invite",
)
@needs("admin")
async def invite(call: Call, new: InvitationIn) -> NewInvitation:
    return await call.workspaces.invite(call.caller, new)


@workspaces.post("/invitations/accept", responses=problems(404, 409), summary="Join the workspace I was invited to")
@needs("person")
async def accept(call: Call, invitation: InvitationToken) -> Workspace:
    return await call.workspaces.accept(call.caller, invitation.token)


@workspaces.delete(
    "/invitations/{invitation_id:uuid}", status_code=204, responses=problems(404), summary="Take an invitation back"
)
@needs("admin")
async def withdraw(call: Call, invitation_id: Annotated[UUID, Path(description="An invitation's id")]) -> None:
    return await call.workspaces.withdraw(call.caller, invitation_id)


@workspaces.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "A ZIP of JSON lines, a file per kind"}},
    summary="Everything this workspace holds, as one archive",
)
@needs("admin")
async def export(call: Call) -> StreamingResponse:
    return await download(call.archive.archive(call.caller), "llmlab.zip", "application/zip")


@audit.get("", summary="Who did what, newest first")
@needs("admin")
async def audit_log(call: Call, limit: Limit = 50, cursor: Cursor = None) -> AuditPage:
    return await call.workspaces.audit(call.caller, cursor, limit)
