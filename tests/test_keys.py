"""API keys of applications, and the team's own at its providers."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr, ValidationError

import engines.identities
from config import Settings
from maintenance import reencrypt
from tests.conftest import client_of, running, settings_for
from tests.support.team import Application, Member, assert_problem, call, new_api_key, sign_up
from utils.cipher import CannotDecrypt, Cipher

SECRET = "sk-proj-0123456789abcdefWXYZ"


@pytest.mark.both_roads
async def test_a_key_is_shown_once_and_sends_events(ada: Member, client: httpx.AsyncClient) -> None:
    made = await ada.request("POST", "/api/keys", json={"name": "backend"})
    assert made.status_code == 201
    key = made.json()
    assert key["key"].startswith("llmlab_sk_")
    assert key["scopes"] == ["events:write"]
    assert key["last_used_at"] is None
    tracked = await client.post("/api/events/track", json=call(), headers={"Authorization": f"Bearer {key['key']}"})
    assert tracked.status_code == 201
    assert tracked.json()["user_id"] == ada.session["user_id"]
    (listed,) = (await ada.get("/api/keys"))["keys"]
    assert listed["last_four"] == key["key"][-4:]
    assert "key" not in listed
    assert datetime.fromisoformat(listed["last_used_at"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert (await ada.get("/api/costs/summary"))["call_count"] == 1


async def test_the_database_holds_no_key(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]", settings: Settings
) -> None:
    key = (await ada.request("POST", "/api/keys", json={"name": "backend"})).json()["key"]
    invitation = await ada.request("POST", "/api/workspaces/invitations", json={"email": "grace@example.com"})
    kept = await ada.request("POST", "/api/provider-keys", json={"provider": "openai", "key": SECRET})
    assert kept.status_code == 201
    if settings.road == "supabase":
        return
    for table in ("api_keys", "invitations", "provider_keys", "audit_log"):
        text = str(await sql.fetchval(f"select jsonb_agg(to_jsonb(t)) from public.{table} t"))
        assert len(text) > 10
        for secret in (key, invitation.json()["token"], SECRET):
            assert secret not in text


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["events:write"], {"POST /api/events/track"}),
        (["read"], {"GET /api/events"}),
        (["read", "events:write"], {"POST /api/events/track", "GET /api/events"}),
        (["admin"], {"POST /api/events/track", "GET /api/events", "GET /api/keys"}),
    ],
)
async def test_a_key_may_do_what_its_scopes_allow(ada: Member, scopes: list[str], allowed: set[str]) -> None:
    application = await new_api_key(ada, scopes=scopes)
    for request in ("POST /api/events/track", "GET /api/events", "GET /api/keys"):
        method, path = request.split()
        response = await application.request(method, path, json=call() if method == "POST" else None)
        if request in allowed:
            assert response.status_code < 300, response.text
        else:
            needed = {"POST /api/events/track": "events:write", "GET /api/events": "read"}.get(request, "admin")
            assert_problem(response, 403, f"This API key does not have the scope {needed}")
    assert_problem(
        await application.request("GET", "/api/auth/me"),
        403,
        "API keys cannot do this; sign in as a user",
    )


@pytest.mark.both_roads
async def test_a_revoked_key_is_refused_immediately(ada: Member) -> None:
    application = await new_api_key(ada)
    assert (await application.track()).status_code == 201
    assert (await ada.request("DELETE", f"/api/keys/{application.id}")).status_code == 204
    assert_problem(await application.track(), 401, "The API key is unknown, expired or revoked")
    assert_problem(await ada.request("DELETE", f"/api/keys/{application.id}"), 404, "API key not found")
    assert_problem(await ada.request("PATCH", f"/api/keys/{application.id}", json={"name": "x"}), 404)
    assert (await ada.get("/api/keys"))["keys"] == []


async def test_a_revoked_key_is_refused_by_another_worker_within_a_second(url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, database_url=url)
    async with running(settings) as one, running(settings) as other, client_of(one) as here, client_of(other) as there:
        ada = await sign_up(here, "Ada")
        application = await new_api_key(ada)
        elsewhere = Application(there, application.key, application.id)
        assert (await elsewhere.track()).status_code == 201
        assert (await ada.request("DELETE", f"/api/keys/{application.id}")).status_code == 204
        await asyncio.sleep(1)
        assert_problem(await elsewhere.track(), 401)


async def test_a_key_expires(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    application = await new_api_key(ada, expires_at=soon.isoformat())
    assert (await application.track()).status_code == 201
    monkeypatch.setattr(engines.identities, "now", lambda: soon)
    # Who is calling is looked up again within a second.
    await asyncio.sleep(1.1)
    assert_problem(await application.track(), 401)
    past = await ada.request("POST", "/api/keys", json={"name": "late", "expires_at": "2020-01-01T00:00:00Z"})
    assert_problem(past, 422, "expires_at must be in the future")


async def test_an_unknown_key_is_refused(ada: Member, client: httpx.AsyncClient) -> None:
    for key in ("llmlab_sk_", "llmlab_sk_" + "x" * 43, "llmlab_sk_\x7f", "llmlab_sk_" + "x" * 5000):
        response = await client.get("/api/events", headers={"Authorization": f"Bearer {key}"})
        assert_problem(response, 401)


async def test_the_audit_log_shows_the_current_name_of_a_key(ada: Member) -> None:
    admin = await new_api_key(ada, name="robot", scopes=["admin"])
    renamed = await admin.request("PATCH", f"/api/keys/{admin.id}", json={"name": "robot 2"})
    assert renamed.json()["name"] == "robot 2"
    await admin.request("POST", "/api/projects", json={"name": "made"})
    entries = (await ada.get("/api/audit"))["entries"]
    assert [(entry["actor"], entry["action"]) for entry in entries] == [
        ("API key robot 2", "project.created"),
        ("API key robot 2", "key.renamed"),
        (ada.email, "key.created"),
    ]


async def test_a_key_works_in_its_workspace_only(ada: Member, bob: Member) -> None:
    application = await new_api_key(ada, scopes=["read"])
    mine = await application.request("GET", "/api/events", headers={"X-Workspace-Id": ada.session["workspace_id"]})
    assert mine.status_code == 200
    other = await application.request("GET", "/api/events", headers={"X-Workspace-Id": bob.session["workspace_id"]})
    assert_problem(other, 404, "Workspace not found")
    assert_problem(await bob.request("DELETE", f"/api/keys/{application.id}"), 404)


# Provider keys


@pytest.mark.both_roads
async def test_a_provider_key_is_stored_and_never_shown(ada: Member, bob: Member) -> None:
    body = {"provider": "OpenAI", "name": "production", "key": SECRET}
    kept = await ada.request("POST", "/api/provider-keys", json=body)
    assert kept.status_code == 201
    assert kept.json()["last_four"] == "WXYZ"
    assert SECRET not in kept.text
    assert_problem(
        await ada.request("POST", "/api/provider-keys", json=body),
        409,
        "This provider already has a key with this name",
    )
    listed = await ada.request("GET", "/api/provider-keys")
    assert listed.json()["keys"] == [kept.json()]
    assert_problem(await bob.request("DELETE", f"/api/provider-keys/{kept.json()['id']}"), 404)
    assert (await ada.request("DELETE", f"/api/provider-keys/{kept.json()['id']}")).status_code == 204
    assert (await ada.get("/api/provider-keys"))["keys"] == []


@pytest.mark.parametrize("key", ["sk-tiny", "x" * 4097, "sk-ключ-0123456789", "sk-\n0123456789"])
async def test_an_invalid_provider_key_is_refused_without_repeating_it(ada: Member, key: str) -> None:
    response = await ada.request("POST", "/api/provider-keys", json={"provider": "openai", "key": key})
    assert_problem(response, 422)
    assert key not in response.text


def test_a_secret_is_decrypted_only_in_its_place_with_its_keys() -> None:
    old, new = "o" * 32, "n" * 32
    sealed = Cipher([old]).encrypt(SECRET, "here")
    assert Cipher([old]).decrypt(sealed, "here") == SECRET
    assert Cipher([new, old]).decrypt(sealed, "here") == SECRET
    assert Cipher([old]).encrypt(SECRET, "here") != sealed
    for cipher, place in ((Cipher([new]), "here"), (Cipher([old]), "there")):
        with pytest.raises(CannotDecrypt):
            cipher.decrypt(sealed, place)
    changed = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    with pytest.raises(CannotDecrypt):
        Cipher([old]).decrypt(changed, "here")


async def test_the_encryption_key_can_be_rotated(
    url: str, tmp_path: Path, sql: "asyncpg.Connection[asyncpg.Record]", capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = "o" * 32, "n" * 32
    before = settings_for(tmp_path, database_url=url)
    async with running(before) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        await ada.request("POST", "/api/provider-keys", json={"provider": "openai", "key": SECRET})
    for keys in (old, f"{new},{old}"):
        assert await reencrypt(settings_for(tmp_path, database_url=url, encryption_key=SecretStr(keys)))
        assert "1 re-encrypted" in capsys.readouterr().out
    assert await reencrypt(settings_for(tmp_path, database_url=url, encryption_key=SecretStr(new)))
    assert "0 re-encrypted" in capsys.readouterr().out
    row: Any = await sql.fetchrow("select workspace_id, id, ciphertext from public.provider_keys")
    assert Cipher([new]).decrypt(row["ciphertext"], f"provider_keys/{row['workspace_id']}/{row['id']}") == SECRET
    assert not await reencrypt(settings_for(tmp_path, database_url=url, encryption_key=SecretStr("x" * 32)))
    assert "a key that is not in ENCRYPTION_KEY" in capsys.readouterr().out


def test_a_short_encryption_key_is_refused(tmp_path: Path) -> None:
    for keys in ("short", f"{'x' * 32},short"):
        with pytest.raises(ValidationError, match="ENCRYPTION_KEY must have at least 32 characters"):
            settings_for(tmp_path, encryption_key=SecretStr(keys))


async def test_a_key_of_an_unknown_project_is_refused(ada: Member) -> None:
    response = await ada.request("POST", "/api/keys", json={"name": "x", "project": "nowhere"})
    assert_problem(response, 404, "Project not found")
    assert_problem(await ada.request("POST", "/api/keys", json={"name": "x", "project": str(uuid4())}), 404)
    assert UUID(ada.session["user_id"])
