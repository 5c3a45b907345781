"""Signing up, in and out."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from jose import jwt

from tests.conftest import SIGNING_KEY
from tests.support.team import PASSWORD, Member, assert_problem, new_email, sign_up


@pytest.mark.both_roads
async def test_signing_up_creates_an_account_and_a_workspace(client: httpx.AsyncClient) -> None:
    email = new_email()
    response = await client.post("/api/auth/signup", json={"email": email, "password": PASSWORD, "name": "Ada"})
    assert response.status_code == 200
    body = response.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 1800
    assert body["user"]["email"] == email
    assert body["user"]["name"] == "Ada"
    assert body["user"]["role"] == "admin"
    assert body["user"]["id"] == body["user_id"]
    assert UUID(body["workspace_id"])


@pytest.mark.both_roads
async def test_the_case_of_an_email_address_is_ignored(client: httpx.AsyncClient) -> None:
    email = new_email()
    first = {"email": email, "password": PASSWORD, "name": "Ada"}
    assert (await client.post("/api/auth/signup", json=first)).status_code == 200
    again = await client.post("/api/auth/signup", json={**first, "email": email.upper()})
    assert_problem(again, 400, "Email already registered")


async def test_the_old_paths_register_and_log_in(client: httpx.AsyncClient) -> None:
    email = new_email()
    registered = await client.post("/auth/register", json={"email": email, "password": PASSWORD})
    assert registered.status_code == 201
    assert registered.json()["user"]["name"] == email.split("@")[0]
    assert (await client.post("/auth/login", json={"email": email, "password": PASSWORD})).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "no-address"},
        {"email": "a b@example.com"},
        {"password": "short"},
        {"password": "x" * 129},
        {"password": "nul\x00 inside"},
        {"name": ""},
        {"name": "a\nb"},
        {"role": "admin"},
        {"password": 12345678},
    ],
)
async def test_a_signup_with_bad_input_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    new = {"email": new_email(), "password": PASSWORD, "name": "Ada", **wrong}
    assert_problem(await client.post("/api/auth/signup", json=new), 422)


@pytest.mark.both_roads
async def test_logging_in_needs_the_right_password(client: httpx.AsyncClient, ada: Member) -> None:
    right = await client.post("/api/auth/login", json={"email": ada.email.upper(), "password": PASSWORD})
    assert right.status_code == 200
    assert right.json()["user_id"] == ada.session["user_id"]
    wrong = await client.post("/api/auth/login", json={"email": ada.email, "password": "wrong"})
    unknown = await client.post("/api/auth/login", json={"email": new_email(), "password": "wrong"})
    assert_problem(wrong, 401, "Invalid email or password")
    assert_problem(unknown, 401, "Invalid email or password")


async def test_every_character_of_a_long_password_counts(client: httpx.AsyncClient) -> None:
    email, password = new_email(), "p" * 128
    await client.post("/api/auth/signup", json={"email": email, "password": password, "name": "Ada"})
    shorter = await client.post("/api/auth/login", json={"email": email, "password": password[:-1] + "q"})
    assert_problem(shorter, 401)
    assert (await client.post("/api/auth/login", json={"email": email, "password": password})).status_code == 200


async def test_repeated_failures_are_throttled(client: httpx.AsyncClient, ada: Member) -> None:
    wrong = {"email": ada.email, "password": "wrong"}
    for _ in range(10):
        assert_problem(await client.post("/api/auth/login", json=wrong), 401)
    assert_problem(await client.post("/api/auth/login", json=wrong), 429)


async def test_a_successful_login_resets_the_throttle(client: httpx.AsyncClient, ada: Member) -> None:
    for _ in range(3):
        for _ in range(5):
            await client.post("/api/auth/login", json={"email": ada.email, "password": "wrong"})
        right = await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})
        assert right.status_code == 200


async def test_me_is_the_caller(ada: Member) -> None:
    assert await ada.get("/api/auth/me") == ada.session["user"]


async def test_a_request_without_a_token_is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/api/auth/me", "/api/events", "/api/costs/summary", "/api/budgets", "/api/recommendations"):
        assert_problem(await client.get(path), 401)


async def test_logging_out_ends_the_session(client: httpx.AsyncClient, ada: Member) -> None:
    other = await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})
    assert (await ada.request("POST", "/api/auth/logout")).json() == {"message": "Signed out"}
    assert_problem(await ada.request("GET", "/api/auth/me"), 401)
    refresh = await client.post("/api/auth/refresh", json={"refresh_token": ada.session["refresh_token"]})
    assert_problem(refresh, 401)
    assert await Member(client, other.json(), ada.email).get("/api/auth/me")
    assert (await client.post("/api/auth/logout")).status_code == 200


@pytest.mark.both_roads
async def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(
    client: httpx.AsyncClient, ada: Member
) -> None:
    first = {"refresh_token": ada.session["refresh_token"]}
    renewed = await client.post("/api/auth/refresh", json=first)
    assert renewed.status_code == 200
    again = Member(client, renewed.json(), ada.email)
    assert await again.get("/api/auth/me") == ada.session["user"]
    assert_problem(await client.post("/api/auth/refresh", json=first), 401)
    assert_problem(await again.request("GET", "/api/auth/me"), 401)
    second = {"refresh_token": again.session["refresh_token"]}
    assert_problem(await client.post("/api/auth/refresh", json=second), 401)


def forged(session: dict[str, Any], **changes: Any) -> str:
    """A token like the session's, signed with the server's own key, with these claims changed."""
    claims = jwt.get_unverified_claims(session["access_token"])
    return str(jwt.encode({**claims, **changes}, SIGNING_KEY, algorithm="HS256"))


async def test_a_token_is_accepted_until_its_own_expiry(client: httpx.AsyncClient, ada: Member) -> None:
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    good = {"Authorization": f"Bearer {forged(ada.session, exp=later)}"}
    assert (await client.get("/api/auth/me", headers=good)).status_code == 200
    past = {"Authorization": f"Bearer {forged(ada.session, exp=int(time.time()) - 60)}"}
    assert_problem(await client.get("/api/auth/me", headers=past), 401)


async def test_tokens_signed_by_others_are_refused(client: httpx.AsyncClient, ada: Member) -> None:
    claims = jwt.get_unverified_claims(ada.session["access_token"])
    header, payload, signature = ada.session["access_token"].split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    without_expiry = {name: value for name, value in claims.items() if name != "exp"}
    for token in (
        jwt.encode(claims, "another key of more than thirty-two characters", algorithm="HS256"),
        jwt.encode(claims, SIGNING_KEY, algorithm="HS512"),
        jwt.encode(without_expiry, SIGNING_KEY, algorithm="HS256"),
        f"{none}.{payload}.",
        f"{header}.{payload}.{signature[:-2]}",
        forged(ada.session, sid=str(uuid4())),
        forged(ada.session, sid="not a uuid"),
        forged(ada.session, sid=7),
        ada.session["refresh_token"],
        "not.a.token",
        "x" * 5000,
        "ü",
    ):
        headers = [(b"Authorization", f"Bearer {token}".encode())]
        assert_problem(await client.get("/api/auth/me", headers=headers), 401)
    wrong_scheme = {"Authorization": f"Basic {ada.session['access_token']}"}
    assert_problem(await client.get("/api/auth/me", headers=wrong_scheme), 401)


async def test_an_access_token_is_refused_as_a_refresh_token(client: httpx.AsyncClient, ada: Member) -> None:
    wrong = await client.post("/api/auth/refresh", json={"refresh_token": ada.session["access_token"]})
    assert_problem(wrong, 401)
    assert await ada.get("/api/auth/me")


@pytest.mark.both_roads
async def test_changing_the_password_ends_the_other_sessions(client: httpx.AsyncClient, ada: Member) -> None:
    login = {"email": ada.email, "password": PASSWORD}
    other = Member(client, (await client.post("/api/auth/login", json=login)).json(), ada.email)
    assert_problem(await ada.request("PATCH", "/api/auth/me", json={"password": "another password"}), 422)
    wrong = {"password": "another password", "current_password": "wrong"}
    assert_problem(await ada.request("PATCH", "/api/auth/me", json=wrong), 400)
    right = {"password": "another password", "current_password": PASSWORD, "name": "Countess"}
    changed = await ada.request("PATCH", "/api/auth/me", json=right)
    assert changed.status_code == 200
    assert changed.json()["name"] == "Countess"
    assert (await ada.get("/api/auth/me"))["name"] == "Countess"
    assert_problem(await other.request("GET", "/api/auth/me"), 401)
    assert_problem(await client.post("/api/auth/login", json=login), 401)


@pytest.mark.both_roads
async def test_deleting_an_account_deletes_its_workspace(client: httpx.AsyncClient, ada: Member, bob: Member) -> None:
    await ada.track()
    await bob.track()
    assert (await ada.request("DELETE", "/api/auth/me")).status_code == 204
    assert_problem(await ada.request("GET", "/api/auth/me"), 401)
    assert_problem(await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD}), 401)
    assert (await bob.get("/api/costs/summary"))["call_count"] == 1
    assert (await sign_up(client, "Ada")).session["user_id"] != ada.session["user_id"]


@pytest.mark.both_roads
async def test_sessions_are_listed_and_ended_one_by_one(ada: Member, client: httpx.AsyncClient) -> None:
    phone = await log_in(client, ada.email, device="A phone\x85 " + "x" * 300)
    listed = (await ada.get("/api/auth/sessions"))["sessions"]
    assert sorted((session["device"][:7], session["current"]) for session in listed) == [
        ("A phone", False),
        ("python-", True),
    ]
    assert max(len(session["device"]) for session in listed) == 256
    (other,) = [session["id"] for session in listed if not session["current"]]
    assert (await ada.request("DELETE", f"/api/auth/sessions/{other}")).status_code == 204
    assert_problem(await ada.request("DELETE", f"/api/auth/sessions/{other}"), 404, "Session not found")
    assert_problem(await phone.request("GET", "/api/auth/me"), 401)
    refreshed = await client.post("/api/auth/refresh", json={"refresh_token": phone.session["refresh_token"]})
    assert_problem(refreshed, 401)
    assert (await ada.request("GET", "/api/auth/me")).status_code == 200


async def test_a_session_of_another_user_is_not_found(ada: Member, bob: Member) -> None:
    (theirs,) = (await bob.get("/api/auth/sessions"))["sessions"]
    assert_problem(await ada.request("DELETE", f"/api/auth/sessions/{theirs['id']}"), 404, "Session not found")
    assert (await bob.request("GET", "/api/auth/me")).status_code == 200


@pytest.mark.both_roads
async def test_all_sessions_can_be_ended_together(ada: Member, client: httpx.AsyncClient) -> None:
    phone = await log_in(client, ada.email)
    ended = await ada.request("DELETE", "/api/auth/sessions")
    assert ended.json() == {"ended": 2}
    for device in (ada, phone):
        assert_problem(await device.request("GET", "/api/auth/me"), 401)
    assert (await log_in(client, ada.email)).session["access_token"]


async def log_in(client: httpx.AsyncClient, email: str, device: str = "python") -> Member:
    body = {"email": email, "password": PASSWORD}
    response = await client.post("/api/auth/login", json=body, headers=[(b"User-Agent", device.encode("latin-1"))])
    assert response.status_code == 200, response.text
    return Member(client, response.json(), email)
