"""Workspaces: inviting, joining, roles, leaving, and the log of who did what."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.team import Member, accept, assert_problem, call, invite, join, new_email, sign_up


async def actions(admin: Member) -> list[tuple[str, str]]:
    """The entries of the audit log, oldest first."""
    entries = (await admin.get("/api/audit"))["entries"]
    return [(entry["action"], entry["target"]) for entry in reversed(entries)]


@pytest.mark.both_roads
async def test_an_invited_viewer_joins_and_sees_but_changes_nothing(
    ada: Member, bob: Member, client: httpx.AsyncClient
) -> None:
    await ada.track()
    await join(ada, bob)
    assert (await bob.get("/api/costs/summary"))["call_count"] == 1
    assert (await bob.get("/api/auth/me"))["role"] == "viewer"
    assert_problem(await bob.track(), 403, "Admin access required")
    assert_problem(await bob.request("POST", "/api/budgets", json={"limit": 1}), 403, "Admin access required")
    members = (await ada.get("/api/workspaces/members"))["members"]
    assert [(member["email"], member["role"]) for member in members] == [(ada.email, "admin"), (bob.email, "viewer")]


@pytest.mark.both_roads
async def test_an_invitation_works_once_for_its_address_for_seven_days(
    ada: Member, bob: Member, client: httpx.AsyncClient
) -> None:
    eve = await sign_up(client, "Eve")
    invitation = await invite(ada, bob.email.upper())
    assert invitation["token"].startswith("llmlab_inv_")
    listed = (await ada.get("/api/workspaces/invitations"))["invitations"]
    assert [entry["email"] for entry in listed] == [bob.email]
    assert "token" not in listed[0]
    assert_problem(await accept(eve, invitation["token"]), 403, "This invitation is for another e-mail address")
    assert (await accept(bob, invitation["token"])).json()["role"] == "viewer"
    assert_problem(await accept(bob, invitation["token"]), 404)
    assert (await ada.get("/api/workspaces/invitations"))["invitations"] == []
    again = await ada.request("POST", "/api/workspaces/invitations", json={"email": bob.email})
    assert_problem(again, 409, "This address already belongs to a member of the workspace")


async def test_an_invitation_expires_or_is_withdrawn_or_replaced(
    ada: Member, bob: Member, sql: "asyncpg.Connection[asyncpg.Record]", settings: Any
) -> None:
    first, second = await invite(ada, bob.email), await invite(ada, bob.email)
    assert_problem(await accept(bob, first["token"]), 404)
    gone = await ada.request("DELETE", f"/api/workspaces/invitations/{second['id']}")
    assert gone.status_code == 204
    assert_problem(await accept(bob, second["token"]), 404)
    assert_problem(await ada.request("DELETE", f"/api/workspaces/invitations/{second['id']}"), 404)
    if settings.road == "postgres":
        third = await invite(ada, bob.email)
        await sql.execute("update public.invitations set expires_at = now()")
        assert_problem(await accept(bob, third["token"]), 404)
        assert (await ada.get("/api/workspaces/invitations"))["invitations"] == []


@pytest.mark.both_roads
async def test_the_last_admin_cannot_leave(ada: Member, bob: Member) -> None:
    await join(ada, bob)
    me = ada.session["user_id"]
    last = "The last admin cannot leave or be demoted; make another member an admin first"
    assert_problem(await ada.request("POST", "/api/workspaces/leave"), 409, last)
    assert_problem(await ada.request("DELETE", f"/api/workspaces/members/{me}"), 409, last)
    assert_problem(await ada.request("PATCH", f"/api/workspaces/members/{me}", json={"role": "viewer"}), 409, last)
    promoted = await ada.request("PATCH", f"/api/workspaces/members/{bob.session['user_id']}", json={"role": "admin"})
    assert promoted.json()["role"] == "admin"
    assert (await ada.request("POST", "/api/workspaces/leave")).status_code == 204
    assert_problem(await bob.request("POST", "/api/workspaces/leave"), 409, last)
    # A user without a workspace gets a new one.
    (workspace,) = (await ada.get("/api/workspaces"))["workspaces"]
    assert workspace["role"] == "admin"
    assert workspace["id"] != ada.session["workspace_id"]
    assert (await ada.track()).status_code == 201


@pytest.mark.both_roads
async def test_two_admins_leaving_at_once_leave_one(ada: Member, bob: Member) -> None:
    await join(ada, bob, "admin")
    left = await asyncio.gather(*[admin.request("POST", "/api/workspaces/leave") for admin in (ada, bob)])
    assert sorted(response.status_code for response in left) == [204, 409]


async def test_a_removed_member_loses_access_immediately(ada: Member, bob: Member) -> None:
    await join(ada, bob)
    assert (await bob.request("GET", "/api/events")).status_code == 200
    removed = await ada.request("DELETE", f"/api/workspaces/members/{bob.session['user_id']}")
    assert removed.status_code == 204
    assert_problem(await bob.request("GET", "/api/events"), 404, "Workspace not found")
    assert_problem(
        await ada.request("DELETE", f"/api/workspaces/members/{bob.session['user_id']}"), 404, "Member not found"
    )
    assert_problem(await ada.request("PATCH", f"/api/workspaces/members/{uuid4()}", json={"role": "admin"}), 404)


async def test_the_header_selects_the_workspace(ada: Member, bob: Member) -> None:
    await bob.track()
    await join(ada, bob)
    bob.workspace_id = None
    workspaces = (await bob.get("/api/workspaces"))["workspaces"]
    assert [(workspace["role"], workspace["members"]) for workspace in workspaces] == [("admin", 1), ("viewer", 2)]
    # Without the header it is the first one, the one they signed up with.
    assert (await bob.get("/api/costs/summary"))["call_count"] == 1
    bob.workspace_id = workspaces[1]["id"]
    assert (await bob.get("/api/costs/summary"))["call_count"] == 0
    assert_problem(
        await ada.request("GET", "/api/events", headers={"X-Workspace-Id": workspaces[0]["id"]}),
        404,
        "Workspace not found",
    )
    assert_problem(await ada.request("GET", "/api/events", headers={"X-Workspace-Id": "mine"}), 422)


@pytest.mark.both_roads
async def test_a_workspace_is_created_renamed_and_deleted(ada: Member) -> None:
    made = await ada.request("POST", "/api/workspaces", json={"name": "Second"})
    assert made.status_code == 201
    ada.workspace_id = made.json()["id"]
    await ada.track()
    assert (await ada.request("PATCH", "/api/workspaces/current", json={"name": "Other"})).status_code == 204
    assert_problem(await ada.request("DELETE", "/api/workspaces/current", params={"name": "Second"}), 409)
    assert (await ada.request("DELETE", "/api/workspaces/current", params={"name": "Other"})).status_code == 204
    assert_problem(await ada.request("GET", "/api/events"), 404, "Workspace not found")
    ada.workspace_id = None
    assert len((await ada.get("/api/workspaces"))["workspaces"]) == 1


async def test_deleting_an_account_keeps_workspaces_with_other_admins(ada: Member, bob: Member) -> None:
    await join(ada, bob)
    assert (await ada.request("DELETE", "/api/auth/me")).status_code == 204
    # Ada's workspace went with her; Bob still has his own.
    assert_problem(await bob.request("GET", "/api/events"), 404, "Workspace not found")
    bob.workspace_id = None
    assert (await bob.track()).status_code == 201


async def test_the_audit_log_records_who_did_what(ada: Member, bob: Member) -> None:
    await join(ada, bob)
    await ada.request("POST", "/api/budgets", json={"limit": 10, "name": "Ten"})
    (budget,) = (await ada.get("/api/budgets"))["budgets"]
    await ada.request("DELETE", f"/api/budgets/{budget['id']}")
    await ada.request("POST", "/api/projects", json={"name": "search"})
    await ada.request("DELETE", f"/api/workspaces/members/{bob.session['user_id']}")
    assert await actions(ada) == [
        ("member.invited", bob.email),
        ("member.joined", bob.email),
        ("budget.set", "Ten"),
        ("budget.deleted", "Ten"),
        ("project.created", "search"),
        ("member.removed", bob.email),
    ]
    entries = (await ada.get("/api/audit"))["entries"]
    assert [entry["actor"] for entry in entries] == [ada.email] * 4 + [bob.email, ada.email]
    assert entries[3]["details"]["limit"] == "10"
    first = await ada.get("/api/audit", limit=4)
    second = await ada.get("/api/audit", limit=4, cursor=first["next_cursor"])
    assert first["entries"] + second["entries"] == entries
    assert second["next_cursor"] is None


@pytest.mark.both_roads
async def test_the_audit_log_is_append_only(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]", settings: Any
) -> None:
    await ada.request("POST", "/api/projects", json={"name": "search"})
    if settings.road == "supabase":
        return
    await sql.execute("set role service_role")
    for statement in ("update public.audit_log set actor = 'x'", "delete from public.audit_log", "truncate audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.execute(statement)
    await sql.execute("reset role")
    assert len(await actions(ada)) == 1
    # With its workspace it goes.
    assert (await ada.request("DELETE", "/api/auth/me")).status_code == 204
    assert await sql.fetchval("select count(*) from public.audit_log") == 0


async def test_an_address_without_an_account_can_be_invited(ada: Member, client: httpx.AsyncClient) -> None:
    email = new_email("grace")
    invitation = await invite(ada, email, "admin")
    signed_up = await client.post("/api/auth/signup", json={"email": email, "password": "0123456789", "name": "Grace"})
    grace = Member(client, signed_up.json(), email)
    assert (await accept(grace, invitation["token"])).json()["id"] == ada.session["workspace_id"]
    grace.workspace_id = ada.session["workspace_id"]
    response = await grace.request("POST", "/api/events/track", json=call())
    assert response.status_code == 201
