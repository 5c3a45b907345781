"""Permissions: every operation of the API, requested by every kind of caller."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from main import create_app
from routes import OLD_PATHS
from tests.conftest import client_of, running, settings_for
from tests.support.otlp import CHAT, message_of, request_of, span
from tests.support.team import PASSWORD, assert_problem, call, create, join, new_api_key, sign_up

# What each caller is answered. The viewer, the admin and the keys belong to one workspace. The stranger is the admin of
# another, and names things of this one by their ids, or where there is no id the workspace itself by X-Workspace-Id.
ACCESS = """
                                                   anyone viewer admin writes reads admin_key expired revoked stranger
GET    /                                            200    200    200   200    200     200      200     200     200
GET    /health                                      200    200    200   200    200     200      200     200     200
GET    /api/health                                  200    200    200   200    200     200      200     200     200
GET    /metrics/prometheus                          404    404    404   404    404     404      404     404     404

POST   /auth/register                               201    201    201   201    201     201      201     201     201
POST   /auth/login                                  200    200    200   200    200     200      200     200     200
POST   /api/auth/register                           201    201    201   201    201     201      201     201     201
POST   /api/auth/signup                             200    200    200   200    200     200      200     200     200
POST   /api/auth/login                              200    200    200   200    200     200      200     200     200
POST   /api/auth/refresh                            200    200    200   200    200     200      200     200     200
POST   /api/auth/logout                             200    200    200   200    200     200      200     200     200

GET    /api/auth/me                                 401    200    200   403    403     403      401     401     404
PATCH  /api/auth/me                                 401    200    200   403    403     403      401     401     404
DELETE /api/auth/me                                 401    204    204   403    403     403      401     401     404
GET    /api/auth/sessions                           401    200    200   403    403     403      401     401     404
DELETE /api/auth/sessions                           401    200    200   403    403     403      401     401     404
DELETE /api/auth/sessions/{session_id}              401    204    404   403    403     403      401     401     404

POST   /api/events/track                            401    403    201   201    403     201      401     401     404
POST   /api/events/batch                            401    403    200   200    403     200      401     401     404
GET    /api/events                                  401    200    200   403    200     200      401     401     404
GET    /api/events/{event_id}                       401    200    200   403    200     200      401     401     404

POST   /v1/traces                                   401    403    200   200    403     200      401     401     404
POST   /api/ingest/litellm                          401    403    200   200    403     200      401     401     404
GET    /api/ingest/unread-spans                     401    200    200   403    200     200      401     401     404

POST   /api/llm/log-call                            401    403    200   200    403     200      401     401     404
GET    /api/llm/models                              401    200    200   403    200     200      401     401     404
POST   /llm/log-call                                401    403    200   200    403     200      401     401     404
GET    /llm/models                                  401    200    200   403    200     200      401     401     404

GET    /api/metrics/summary                         401    200    200   403    200     200      401     401     404
GET    /api/metrics/token-usage                     401    200    200   403    200     200      401     401     404
GET    /api/metrics/latency                         401    200    200   403    200     200      401     401     404
GET    /api/metrics/error-rate                      401    200    200   403    200     200      401     401     404
GET    /api/metrics/cost                            401    200    200   403    200     200      401     401     404
GET    /api/metrics/quality                         401    200    200   403    200     200      401     401     404
GET    /metrics/summary                             401    200    200   403    200     200      401     401     404
GET    /metrics/token-usage                         401    200    200   403    200     200      401     401     404
GET    /metrics/latency                             401    200    200   403    200     200      401     401     404
GET    /metrics/error-rate                          401    200    200   403    200     200      401     401     404
GET    /metrics/cost                                401    200    200   403    200     200      401     401     404
GET    /metrics/quality                             401    200    200   403    200     200      401     401     404

POST   /api/feedback                                401    201    201   201    403     201      401     401     404
GET    /api/feedback                                401    403    200   403    403     200      401     401     404
POST   /feedback                                    401    201    201   201    403     201      401     401     404
GET    /feedback                                    401    403    200   403    403     200      401     401     404

GET    /api/costs/summary                           401    200    200   403    200     200      401     401     404
GET    /api/costs/by-provider                       401    200    200   403    200     200      401     401     404
GET    /api/costs/top-models                        401    200    200   403    200     200      401     401     404
GET    /api/costs/by-project                        401    200    200   403    200     200      401     401     404
GET    /api/costs/by-tag                            401    200    200   403    200     200      401     401     404
GET    /api/costs/tag-keys                          401    200    200   403    200     200      401     401     404
GET    /api/costs/timeseries                        401    200    200   403    200     200      401     401     404
GET    /api/costs/compare                           401    200    200   403    200     200      401     401     404
GET    /api/costs/forecast                          401    200    200   403    200     200      401     401     404
GET    /api/export/events                           401    200    200   403    200     200      401     401     404
GET    /api/export/costs                            401    200    200   403    200     200      401     401     404
GET    /api/export/focus                            401    200    200   403    200     200      401     401     404

GET    /api/budgets                                 401    200    200   403    200     200      401     401     404
POST   /api/budgets                                 401    403    201   403    403     201      401     401     404
DELETE /api/budgets/{budget_id}                     401    403    204   403    403     204      401     401     404
POST   /api/budgets/check                           401    403    200   200    403     200      401     401     404
POST   /api/budgets/reservations                    401    403    201   201    403     201      401     401     404
DELETE /api/budgets/reservations/{reservation_id}   401    403    204   204    403     204      401     401     404

GET    /api/alerts                                  401    200    200   403    200     200      401     401     404
POST   /api/alerts/test                             401    403    202   403    403     202      401     401     404
POST   /api/alerts/{alert_id}/resend                401    403    202   403    403     202      401     401     404
GET    /api/alert-channels                          401    403    200   403    403     200      401     401     404
POST   /api/alert-channels                          401    403    201   403    403     201      401     401     404
PATCH  /api/alert-channels/{channel_id}             401    403    200   403    403     200      401     401     404
DELETE /api/alert-channels/{channel_id}             401    403    204   403    403     204      401     401     404

GET    /api/stream                                  401    200    200   403    200     200      401     401     404

GET    /api/recommendations                         401    200    200   403    200     200      401     401     404
GET    /api/recommendations/anomalies               401    200    200   403    200     200      401     401     404
GET    /api/recommendations/model-switching         401    200    200   403    200     200      401     401     404

GET    /api/projects                                401    200    200   403    200     200      401     401     404
POST   /api/projects                                401    403    201   403    403     201      401     401     404
PATCH  /api/projects/{project_id}                   401    403    200   403    403     200      401     401     404

GET    /api/keys                                    401    403    200   403    403     200      401     401     404
POST   /api/keys                                    401    403    201   403    403     201      401     401     404
PATCH  /api/keys/{key_id}                           401    403    200   403    403     200      401     401     404
DELETE /api/keys/{key_id}                           401    403    204   403    403     204      401     401     404
GET    /api/provider-keys                           401    403    200   403    403     200      401     401     404
POST   /api/provider-keys                           401    403    201   403    403     201      401     401     404
DELETE /api/provider-keys/{key_id}                  401    403    204   403    403     204      401     401     404

GET    /api/prices                                  401    200    200   403    200     200      401     401     404
POST   /api/prices                                  401    403    201   403    403     201      401     401     404
PATCH  /api/prices/{price_id}                       401    403    200   403    403     200      401     401     404

GET    /api/settings                                401    403    200   403    403     200      401     401     404
PUT    /api/settings                                401    403    200   403    403     200      401     401     404
GET    /api/settings/policy                         401    200    200   200    200     200      401     401     404
GET    /settings                                    401    403    200   403    403     200      401     401     404
PUT    /settings                                    401    403    200   403    403     200      401     401     404

GET    /api/workspaces                              401    200    200   403    403     403      401     401     404
POST   /api/workspaces                              401    201    201   403    403     403      401     401     404
PATCH  /api/workspaces/current                      401    403    204   403    403     204      401     401     404
DELETE /api/workspaces/current                      401    403    204   403    403     204      401     401     404
POST   /api/workspaces/leave                        401    204    204   403    403     403      401     401     404
GET    /api/workspaces/members                      401    200    200   403    200     200      401     401     404
PATCH  /api/workspaces/members/{user_id}            401    403    200   403    403     200      401     401     404
DELETE /api/workspaces/members/{user_id}            401    403    204   403    403     204      401     401     404
GET    /api/workspaces/invitations                  401    403    200   403    403     200      401     401     404
POST   /api/workspaces/invitations                  401    403    201   403    403     201      401     401     404
POST   /api/workspaces/invitations/accept           401    403    200   403    403     403      401     401     404
DELETE /api/workspaces/invitations/{invitation_id}  401    403    204   403    403     204      401     401     404
GET    /api/workspaces/export                       401    403    200   403    403     200      401     401     404
GET    /api/audit                                   401    403    200   403    403     200      401     401     404
"""


@dataclass
class World:
    """A workspace with one row of each kind, and every kind of caller."""

    client: httpx.AsyncClient
    sql: "asyncpg.Connection[asyncpg.Record]"
    # Each caller's headers.
    callers: dict[str, dict[str, str]]
    # What takes the place of the id in each path, and what goes along with each operation.
    ids: dict[str, str]
    bodies: dict[str, Any]
    queries: dict[str, dict[str, str]]
    workspace_id: str

    async def ask(self, operation: str, caller: str) -> httpx.Response:
        """Lets a caller try an operation on the workspace."""
        method, path = operation.split()
        headers = self.callers[caller]
        if caller == "stranger" and "{" not in path:
            headers = headers | {"X-Workspace-Id": self.workspace_id}
        return await self.client.request(
            method,
            re.sub(r"{\w+}", lambda _: self.ids[path], path),
            headers=headers,
            params=self.queries.get(operation),
            json=self.bodies.get(operation),
        )

    async def rows(self) -> Any:
        """Every row, except for the last use of sessions and keys and the count of changes."""
        tables = ", ".join(
            f"'{table}', (select array_agg(r order by r)"
            f" from (select (to_jsonb(t) - 'last_used_at')::text as r from public.{table} t) rows)"
            for table in await self._tables()
        )
        return await self.sql.fetchval(f"select jsonb_pretty(jsonb_build_object({tables}))")

    async def keep(self) -> None:
        """Copies every row."""
        await self.sql.execute("create schema kept")
        for table in await self._tables():
            await self.sql.execute(f"create table kept.{table} as table public.{table}")

    async def put_back(self) -> None:
        """Restores every row from the copy."""
        async with self.sql.transaction():
            # Without the foreign keys.
            await self.sql.execute("set local session_replication_role = replica")
            for table in await self._tables():
                await self.sql.execute(f"delete from public.{table}; insert into public.{table} table kept.{table}")

    async def _tables(self) -> list[str]:
        # Changes are counted a moment after they were made.
        found = await self.sql.fetch(
            "select tablename from pg_tables where schemaname = 'public' and tablename <> 'changes' order by tablename"
        )
        return [row["tablename"] for row in found]


@pytest.fixture
async def world(
    url: str, no_deliveries: None, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> AsyncIterator[World]:
    """Ada's workspace with another admin and a viewer, and beside it a stranger's."""
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada, admin, viewer, stranger = [await sign_up(client, name) for name in ("Ada", "Grace", "Vera", "Eve")]
        await join(ada, admin, "admin")
        await join(ada, viewer, "viewer")
        login = {"email": viewer.email, "password": PASSWORD}
        await client.post("/api/auth/login", json=login)
        sessions = (await viewer.get("/api/auth/sessions"))["sessions"]
        (elsewhere,) = [session["id"] for session in sessions if not session["current"]]
        writes, reads, admin_key, expired, revoked = [
            await new_api_key(admin, scopes=scopes)
            for scopes in (["events:write"], ["read"], ["admin"], *[["admin", "events:write", "read"]] * 2)
        ]
        await sql.execute("update public.api_keys set expires_at = now() where id = $1", expired.id)
        assert (await ada.request("DELETE", f"/api/keys/{revoked.id}")).status_code == 204
        hook = {"kind": "webhook", "url": "https://hooks.example.com/llmlab"}
        channel = await create(ada, "/api/alert-channels", name="hook", **hook)
        await ada.track(model="no-such-model")
        (alert,) = (await ada.get("/api/alerts"))["alerts"]
        event = (await ada.track(project="search", tags={"team": "blue"})).json()["event_id"]
        project = await create(ada, "/api/projects", name="chat")
        budget = await create(ada, "/api/budgets", limit=100, hard=True)
        planned = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_output_tokens": 500}
        reservation = await create(ada, "/api/budgets/reservations", **planned)
        provider_key = await create(ada, "/api/provider-keys", provider="openai", key="sk-0123456789")
        price = await create(ada, "/api/prices", provider="openai", model="gpt-4o", percent_of_list=80)
        invitation = await create(ada, "/api/workspaces/invitations", email="new@example.com")
        second = await create(ada, "/api/workspaces", name="Second")
        ada.workspace_id = second["id"]
        # The keys are hers too, and still cannot accept it.
        to_admin = await create(ada, "/api/workspaces/invitations", email=admin.email)
        record = {"id": "chatcmpl-9f8c2a44d2f34f0a", "model": "gpt-4o", "prompt_tokens": 1, "status": "success"}
        observed = {"model": "gpt-4o", "prompt_tokens": 1, "completion_tokens": 1, "latency_ms": 1, "status": "success"}
        newcomer = {"email": "somebody@example.com", "password": PASSWORD, "name": "Somebody"}
        world = World(
            client,
            sql,
            callers={
                "anyone": {},
                "viewer": viewer.headers,
                "admin": admin.headers,
                "writes": writes.headers,
                "reads": reads.headers,
                "admin_key": admin_key.headers,
                "expired": expired.headers,
                "revoked": revoked.headers,
                "stranger": stranger.headers,
            },
            ids={
                "/api/auth/sessions/{session_id}": elsewhere,
                "/api/events/{event_id}": event,
                "/api/alerts/{alert_id}/resend": alert["id"],
                "/api/alert-channels/{channel_id}": channel["id"],
                "/api/budgets/{budget_id}": budget["id"],
                "/api/budgets/reservations/{reservation_id}": reservation["id"],
                "/api/projects/{project_id}": project["id"],
                "/api/keys/{key_id}": writes.id,
                "/api/provider-keys/{key_id}": provider_key["id"],
                "/api/prices/{price_id}": price["id"],
                "/api/workspaces/members/{user_id}": viewer.session["user_id"],
                "/api/workspaces/invitations/{invitation_id}": invitation["id"],
            },
            bodies={
                "POST /auth/register": newcomer,
                "POST /auth/login": login,
                "POST /api/auth/register": newcomer,
                "POST /api/auth/signup": newcomer,
                "POST /api/auth/login": login,
                "POST /api/auth/refresh": {"refresh_token": viewer.session["refresh_token"]},
                "PATCH /api/auth/me": {"name": "Countess"},
                "POST /api/events/track": call(),
                "POST /api/events/batch": {"events": [call()]},
                "POST /v1/traces": request_of(span(1, CHAT)),
                "POST /api/ingest/litellm": [{**record, "startTime": 1790000000, "endTime": 1790000001}],
                "POST /api/llm/log-call": observed,
                "POST /llm/log-call": observed,
                "POST /api/feedback": {"event_id": event, "rating": 4},
                "POST /feedback": {"llm_call_id": event, "rating": 4},
                "POST /api/budgets": {"limit": 10, "period": "daily"},
                "POST /api/alerts/test": {"channel_id": channel["id"]},
                "POST /api/alert-channels": {"name": "second", **hook},
                "PATCH /api/alert-channels/{channel_id}": {"digest": "daily"},
                "POST /api/budgets/check": planned,
                "POST /api/budgets/reservations": planned,
                "POST /api/projects": {"name": "new"},
                "PATCH /api/projects/{project_id}": {"name": "renamed"},
                "POST /api/keys": {"name": "new", "scopes": ["admin"]},
                "PATCH /api/keys/{key_id}": {"name": "renamed"},
                "POST /api/provider-keys": {"provider": "openai", "name": "new", "key": "sk-9876543210"},
                "POST /api/prices": {"provider": "openai", "model": "gpt-4o*", "input": 1, "output": 2},
                "PATCH /api/prices/{price_id}": {"ends_at": "2099-01-01T00:00:00Z"},
                "PUT /api/settings": {"disabled_models": ["gpt-4-turbo*"]},
                "PUT /settings": {"max_tokens_per_request": 10_000},
                "POST /api/workspaces": {"name": "new"},
                "PATCH /api/workspaces/current": {"name": "renamed"},
                "PATCH /api/workspaces/members/{user_id}": {"role": "admin"},
                "POST /api/workspaces/invitations": {"email": "somebody@example.com", "role": "admin"},
                "POST /api/workspaces/invitations/accept": {"token": to_admin["token"]},
            },
            queries={
                "GET /api/costs/by-tag": {"key": "team"},
                "GET /api/stream": {"limit": "1"},
                "DELETE /api/workspaces/current": {"name": "Ada"},
            },
            workspace_id=ada.session["workspace_id"],
        )
        await world.keep()
        yield world


def expected() -> dict[str, dict[str, int]]:
    """The table: for each operation the status every caller is answered."""
    (_, *callers), *rows = [line.split() for line in ACCESS.replace("\n ", "\ncallers ").splitlines() if line]
    table = {
        f"{method} {path}": dict(zip(callers, map(int, statuses), strict=True)) for method, path, *statuses in rows
    }
    assert len(table) == len(rows), "an operation stands in the table twice"
    return table


def operations(app: FastAPI) -> set[str]:
    """Every operation of the API's own description."""
    return {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}


def test_the_table_lists_exactly_the_operations_of_the_api(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path))
    # An old path belongs to another operation.
    current = {operation for operation in expected() if operation.split()[1] not in OLD_PATHS}
    assert operations(app) == current
    # An operation that the description hides would be missed.
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    answered = {f"{method} {route.path_format}" for route in routes for method in route.methods or ()}
    assert answered == current


@pytest.mark.long
async def test_every_caller_gets_the_status_in_the_table_and_a_refusal_changes_nothing(world: World) -> None:
    before = await world.rows()
    wrong = []
    for operation, statuses in expected().items():
        for caller, status in statuses.items():
            response = await world.ask(operation, caller)
            if response.status_code != status:
                wrong.append(f"{operation}: {caller} got {response.status_code}, not {status}: {response.text[:200]}")
            elif status >= 400 and operation == "POST /v1/traces":
                assert message_of(response)
            elif status >= 400:
                assert_problem(response, status)
            changed = await world.rows() != before
            if changed:
                await world.put_back()
            reads = operation.startswith("GET") or operation == "POST /api/budgets/check"
            if changed == (reads or response.status_code >= 400) and operation != "POST /api/auth/logout":
                wrong.append(f"{operation}: {caller} got {response.status_code}; was anything changed: {changed}")
    assert not wrong, "\n".join(wrong)
