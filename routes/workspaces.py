"""Workspaces, members, invitations, archive and audit log."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from routes.call import Call
from routes.deps import Cursor, Limit
from routes.downloads import download
from routes.router import Router
from routes.schema import problems
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

workspaces = Router("/api/workspaces", "workspaces")
audit = Router("/api/audit", "workspaces")
UserId = Annotated[UUID, Path(description="A member's user_id")]


@workspaces.get("", needs="person", summary="List my workspaces")
async def listing(call: Call) -> Workspaces:
    return await call.engines.workspaces.workspaces(call.caller)


@workspaces.post("", needs="person", status_code=201, responses=problems(409), summary="Create a workspace")
async def create(call: Call, new: WorkspaceName) -> Workspace:
    return await call.engines.workspaces.create(call.caller, new.name)


@workspaces.patch("/current", needs="admin", status_code=204, summary="Rename this workspace")
async def rename(call: Call, change: WorkspaceName) -> None:
    return await call.engines.workspaces.rename(call.caller, change.name)


@workspaces.delete(
    "/current",
    needs="admin",
    status_code=204,
    responses=problems(409),
    summary="Permanently delete this workspace and all its data",
)
async def delete(
    call: Call, name: Annotated[str, Query(max_length=128, description="The workspace's name, as a confirmation")]
) -> None:
    return await call.engines.workspaces.delete(call.caller, name)


@workspaces.post("/leave", needs="person", status_code=204, responses=problems(409), summary="Leave this workspace")
async def leave(call: Call) -> None:
    return await call.engines.workspaces.leave(call.caller)


@workspaces.get("/members", summary="List members")
async def members(call: Call) -> Members:
    return await call.engines.workspaces.members(call.caller)


@workspaces.patch(
    "/members/{user_id}", needs="admin", responses=problems(404, 409), summary="Change the role of a member"
)
async def set_role(call: Call, user_id: UserId, change: RoleChange) -> Member:
    return await call.engines.workspaces.set_role(call.caller, user_id, change.role)


@workspaces.delete(
    "/members/{user_id}",
    needs="admin",
    status_code=204,
    responses=problems(404, 409),
    summary="Remove a member from this workspace",
)
async def remove(call: Call, user_id: UserId) -> None:
    return await call.engines.workspaces.remove(call.caller, user_id)


@workspaces.get("/invitations", needs="admin", summary="List open invitations")
async def invitations(call: Call) -> Invitations:
    return await call.engines.workspaces.invitations(call.caller)


@workspaces.post(
    "/invitations",
    needs="admin",
    status_code=201,
    responses=problems(409),
    summary="Invite an address for 7 days; send the token to the invited person",
)
async def invite(call: Call, new: InvitationIn) -> NewInvitation:
    return await call.engines.workspaces.invite(call.caller, new)


@workspaces.post(
    "/invitations/accept",
    needs="person",
    responses=problems(404, 409),
    summary="Accept an invitation and join its workspace",
)
async def accept(call: Call, invitation: InvitationToken) -> Workspace:
    return await call.engines.workspaces.accept(call.caller, invitation.token)


@workspaces.delete(
    "/invitations/{invitation_id:uuid}",
    needs="admin",
    status_code=204,
    responses=problems(404),
    summary="Withdraw an invitation",
)
async def withdraw(call: Call, invitation_id: Annotated[UUID, Path(description="An invitation's id")]) -> None:
    return await call.engines.workspaces.withdraw(call.caller, invitation_id)


@workspaces.get(
    "/export",
    needs="admin",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"application/zip": {}},
            "description": "A ZIP archive with a file of JSON lines per kind of data",
        }
    },
    summary="Export all data of this workspace as an archive",
)
async def export(call: Call) -> StreamingResponse:
    return await download(call.engines.archive.archive(call.caller), "llmlab.zip", "application/zip")


@audit.get("", needs="admin", summary="List the audit log, newest first")
async def audit_log(call: Call, limit: Limit = 50, cursor: Cursor = None) -> AuditPage:
    return await call.engines.workspaces.audit(call.caller, cursor, limit)
