"""Sessions of browsers: the refresh token is in a cookie for clients that request it."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

import engines.accounts
from tests.conftest import client_of, running, settings_for
from tests.support.team import PASSWORD, Member, assert_problem, new_email

COOKIE = {"X-Session": "cookie"}
NAME = "llmlab_refresh"


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, over HTTPS."""
    async with client_of(app) as client:
        client.base_url = httpx.URL("https://test")
        yield client


def cookie_of(response: httpx.Response) -> "Morsel[str]":
    """The one cookie an answer sets."""
    (header,) = response.headers.get_list("set-cookie")
    (cookie,) = SimpleCookie(header).values()
    return cookie


def clears(response: httpx.Response) -> bool:
    cookie = cookie_of(response)
    return (cookie.key, cookie.value, cookie["path"], cookie["max-age"]) == (NAME, "", "/api/auth", "0")


async def ask_with(browser: httpx.AsyncClient, value: str) -> httpx.Response:
    """Requests the next token with this value of the cookie."""
    browser.cookies.clear()
    return await browser.post("/api/auth/refresh", headers={**COOKIE, "Cookie": f"{NAME}={value}"})


async def log_in(client: httpx.AsyncClient, who: Member) -> httpx.Response:
    """Signs a user in as a browser does: the client then has the cookie."""
    client.cookies.clear()
    response = await client.post("/api/auth/login", headers=COOKIE, json={"email": who.email, "password": PASSWORD})
    assert response.status_code == 200, response.text
    return response


async def test_the_refresh_token_is_only_in_a_cookie_when_requested(client: httpx.AsyncClient, ada: Member) -> None:
    for path, status in (("signup", 200), ("register", 201), ("login", 200)):
        new = {"email": new_email(), "password": PASSWORD, "name": "Ada"}
        body = {"email": ada.email, "password": PASSWORD} if path == "login" else new
        for prefix in ("/api/auth",) if path == "signup" else ("/api/auth", "/auth"):
            body = body if path == "login" else {**body, "email": new_email()}
            response = await client.post(f"{prefix}/{path}", headers=COOKIE, json=body)
            assert response.status_code == status
            assert response.json()["refresh_token"] is None
            cookie = cookie_of(response)
            assert cookie.key == NAME
            assert cookie.value not in response.text
            assert cookie["httponly"] is True
            assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("strict", "/api/auth", "")
            assert int(cookie["max-age"]) == 30 * 24 * 60 * 60
            token = {"Authorization": f"Bearer {response.json()['access_token']}"}
            assert (await client.get("/api/auth/me", headers=token)).status_code == 200


async def test_no_cookie_is_set_without_the_header(client: httpx.AsyncClient, ada: Member) -> None:
    credentials = {"email": ada.email, "password": PASSWORD}
    response = await client.post("/api/auth/login", json=credentials)
    assert response.json()["refresh_token"]
    assert "set-cookie" not in response.headers
    refused = await client.post("/api/auth/login", headers=COOKIE, json={**credentials, "password": "wrong"})
    assert_problem(refused, 401)
    assert "set-cookie" not in refused.headers


async def test_the_cookie_is_secure_except_on_localhost(client: httpx.AsyncClient, ada: Member) -> None:
    credentials = {"email": ada.email, "password": PASSWORD}
    for address, secure in {
        "http://127.0.0.1:8000": False,
        "http://localhost:5173": False,
        "http://[::1]:8000": False,
        "https://localhost": True,
        "http://llmlab.example.com": True,
        "https://llmlab.example.com": True,
        "http://192.168.1.2:8000": True,
    }.items():
        response = await client.post(f"{address}/api/auth/login", headers=COOKIE, json=credentials)
        assert bool(cookie_of(response)["secure"]) is secure, address
        gone = await client.post(f"{address}/api/auth/logout", headers=COOKIE)
        assert clears(gone)
        assert bool(cookie_of(gone)["secure"]) is secure, address


async def test_an_invalid_host_is_not_localhost(client: httpx.AsyncClient, ada: Member) -> None:
    credentials = {"email": ada.email, "password": PASSWORD}
    response = await client.post("/api/auth/login", headers={**COOKIE, "Host": "["}, json=credentials)
    assert response.status_code == 200
    assert cookie_of(response)["secure"]
    assert_problem(await client.get("/metrics/prometheus", headers={"Host": "["}), 404)


async def test_a_refresh_replaces_the_cookie(browser: httpx.AsyncClient, ada: Member) -> None:
    values = [cookie_of(await log_in(browser, ada)).value]
    for body in (b"", b"{}"):
        headers = {**COOKIE, "Content-Type": "application/json"} if body else COOKIE
        response = await browser.post("/api/auth/refresh", headers=headers, content=body)
        assert response.status_code == 200, response.text
        assert response.json()["refresh_token"] is None
        assert response.json()["user_id"] == ada.session["user_id"]
        values.append(cookie_of(response).value)
    assert len({*values}) == 3


async def test_a_browser_reloaded_before_the_answer_stays_signed_in(browser: httpx.AsyncClient, ada: Member) -> None:
    lost = cookie_of(await log_in(browser, ada)).value
    at_once = await asyncio.gather(*(ask_with(browser, lost) for _ in range(4)))
    again = [*at_once, await ask_with(browser, lost)]
    assert {response.status_code for response in again} == {200}
    # All of them have the same next token, so that the session continues with any of the cookies.
    for response in (again[0], again[-1]):
        assert (await ask_with(browser, cookie_of(response).value)).status_code == 200
    assert_problem(await ask_with(browser, lost), 401, "The session has ended; sign in again")


async def test_a_cookie_used_again_later_ends_the_session_and_is_dropped(
    browser: httpx.AsyncClient, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.accounts, "_RELOAD_SECONDS", 0)
    first = cookie_of(await log_in(browser, ada)).value
    second = cookie_of(await browser.post("/api/auth/refresh", headers=COOKIE)).value
    browser.cookies.clear()
    for value in (first, second):
        refused = await ask_with(browser, value)
        assert_problem(refused, 401, "The session has ended; sign in again")
        assert clears(refused)


async def test_without_the_header_the_cookie_is_ignored(browser: httpx.AsyncClient, ada: Member) -> None:
    await log_in(browser, ada)
    # A request that a form of another site could send.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, headers in ((b"", {}), (b"{}", {"Content-Type": "application/json"}), (b"a=b", form)):
        refused = await browser.post("/api/auth/refresh", headers=headers, content=body)
        assert_problem(refused, 422)
        assert "set-cookie" not in refused.headers
    signed_out = await browser.post("/api/auth/logout", headers=form, content=b"a=b")
    assert signed_out.status_code == 200
    assert "set-cookie" not in signed_out.headers
    assert (await browser.post("/api/auth/refresh", headers=COOKIE)).status_code == 200, "the session holds"


async def test_without_a_cookie_there_is_no_session(client: httpx.AsyncClient) -> None:
    for cookie in ("", f"{NAME}=", f"{NAME}=forged", "other=1"):
        refused = await client.post("/api/auth/refresh", headers={**COOKIE, "Cookie": cookie})
        assert_problem(refused, 401)
        assert clears(refused)


async def test_an_access_token_in_the_cookie_is_refused(client: httpx.AsyncClient, ada: Member) -> None:
    cookie = f"{NAME}={ada.session['access_token']}"
    assert_problem(await client.post("/api/auth/refresh", headers={**COOKIE, "Cookie": cookie}), 401)


async def test_a_token_in_both_places_is_refused(browser: httpx.AsyncClient, ada: Member) -> None:
    await log_in(browser, ada)
    body = {"refresh_token": ada.session["refresh_token"]}
    assert_problem(await browser.post("/api/auth/refresh", headers=COOKIE, json=body), 422)
    assert (await browser.post("/api/auth/refresh", json=body)).status_code == 200
    assert (await browser.post("/api/auth/refresh", headers=COOKIE)).status_code == 200


async def test_the_header_says_cookie_or_nothing(client: httpx.AsyncClient, ada: Member) -> None:
    new = {"email": new_email(), "password": PASSWORD, "name": "Ada"}
    bodies = {"signup": new, "login": {"email": ada.email, "password": PASSWORD}, "refresh": {}, "logout": None}
    for path, body in bodies.items():
        for value in ("", "Cookie", "token"):
            refused = await client.post(f"/api/auth/{path}", headers={"X-Session": value}, json=body)
            assert_problem(refused, 422)
    assert (await client.post("/api/auth/signup", json=new)).status_code == 200, "sign-up failed"


async def test_signing_out_ends_the_session_of_the_cookie(browser: httpx.AsyncClient, ada: Member) -> None:
    session = (await log_in(browser, ada)).json()
    kept = browser.cookies[NAME]
    # The access token was in the memory of a page that is gone.
    response = await browser.post("/api/auth/logout", headers=COOKIE)
    assert response.json() == {"message": "Signed out"}
    assert clears(response)
    assert NAME not in browser.cookies
    token = {"Authorization": f"Bearer {session['access_token']}"}
    assert_problem(await browser.get("/api/auth/me", headers=token), 401)
    assert_problem(await browser.post("/api/auth/refresh", headers={**COOKIE, "Cookie": f"{NAME}={kept}"}), 401)
    assert (await browser.get("/api/auth/me", headers=ada.headers)).status_code == 200, "their other session holds"
    again = await browser.post("/api/auth/logout", headers=COOKIE)
    assert again.status_code == 200
    assert clears(again)


async def test_the_cookie_gives_access_to_its_own_paths_only(browser: httpx.AsyncClient, ada: Member) -> None:
    kept = cookie_of(await log_in(browser, ada)).value
    for path in ("/api/auth/me", "/api/events", "/api/keys"):
        assert_problem(await browser.get(path, headers={**COOKIE, "Cookie": f"{NAME}={kept}"}), 401)


@pytest.mark.parametrize("origins", [["https://app.example.com"], ["*"]])
async def test_a_dashboard_of_an_allowed_origin_may_use_the_cookie(
    url: str, tmp_path: Path, origins: list[str]
) -> None:
    settings = settings_for(tmp_path, database_url=url, cors_origins=origins)
    origin = {"Origin": "https://app.example.com"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-session,content-type"}
    async with running(settings) as app, client_of(app) as client:
        preflight = await client.options("/api/auth/refresh", headers={**origin, **asked})
        answer = await client.post("/api/auth/refresh", headers={**origin, **COOKIE})
        stranger = await client.options("/api/auth/refresh", headers={**asked, "Origin": "https://evil.example.org"})
    assert preflight.status_code == 200
    assert "x-session" in preflight.headers["access-control-allow-headers"].lower()
    for response in (preflight, answer):
        named = origins != ["*"]
        assert response.headers["access-control-allow-origin"] == ("https://app.example.com" if named else "*")
        assert ("access-control-allow-credentials" in response.headers) is named
    assert (stranger.status_code == 200) is (origins == ["*"])
    assert "access-control-allow-credentials" not in stranger.headers or stranger.status_code == 400
