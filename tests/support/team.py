"""Callers of the API, and the requests that they send."""

from typing import Any
from uuid import uuid4

import httpx

PASSWORD = "correct horse battery"


class Caller:
    """A caller with a token."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @property
    def headers(self) -> dict[str, str]:
        """The headers of their requests."""
        raise NotImplementedError

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends a request with their headers."""
        headers = {**self.headers, **options.pop("headers", {})}
        return await self._client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **query: Any) -> Any:
        """The answer of a GET; it must succeed."""
        response = await self.request("GET", path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def track(self, **event: Any) -> httpx.Response:
        """Tracks a call to gpt-4o of 1,000 and 500 tokens (0.0075 USD) with these changes."""
        return await self.request("POST", "/api/events/track", json={**call(), **event})

    async def batch(self, *events: Any) -> Any:
        """The answer to a batch of events; it must succeed."""
        response = await self.request("POST", "/api/events/batch", json={"events": list(events)})
        assert response.status_code == 200, response.text
        return response.json()

    async def events(self) -> list[dict[str, Any]]:
        """The latest events, newest first."""
        found: list[dict[str, Any]] = (await self.get("/api/events"))["events"]
        return found


class Member(Caller):
    """A user who is signed in; their requests have their token, and the workspace if one is selected."""

    def __init__(self, client: httpx.AsyncClient, session: dict[str, Any], email: str) -> None:
        super().__init__(client)
        self.session = session
        self.email = email
        self.workspace_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self.session['access_token']}"}
        return token | ({"X-Workspace-Id": self.workspace_id} if self.workspace_id else {})


class Application(Caller):
    """An application with an API key."""

    def __init__(self, client: httpx.AsyncClient, key: str, id: str) -> None:
        super().__init__(client)
        self.key = key
        self.id = id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def new_api_key(admin: Member, **wanted: Any) -> Application:
    """A new API key of the admin's workspace, which may send events unless changed."""
    response = await admin.request("POST", "/api/keys", json={"name": "application", **wanted})
    assert response.status_code == 201, response.text
    return Application(admin._client, response.json()["key"], response.json()["id"])


def call(**changes: Any) -> dict[str, Any]:
    """A call to gpt-4o of 1,000 and 500 tokens, which costs 0.0075 USD, with these changes."""
    return {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 500, **changes}


def new_email(name: str = "ada") -> str:
    """An unused email address."""
    return f"{name.lower()}-{uuid4().hex[:12]}@example.com"


async def sign_up(client: httpx.AsyncClient, name: str) -> Member:
    """A new account with a workspace of its own."""
    email = new_email(name)
    response = await client.post("/api/auth/signup", json={"email": email, "password": PASSWORD, "name": name})
    assert response.status_code == 200, response.text
    return Member(client, response.json(), email)


async def create(caller: Caller, path: str, **body: Any) -> Any:
    """Sends a POST that creates something, and returns the answer."""
    response = await caller.request("POST", path, json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def invite(admin: Member, email: str, role: str = "viewer") -> dict[str, Any]:
    """Invites an address to the workspace of the admin."""
    invitation: dict[str, Any] = await create(admin, "/api/workspaces/invitations", email=email, role=role)
    return invitation


async def accept(member: Member, token: str) -> httpx.Response:
    """Accepts an invitation."""
    return await member.request("POST", "/api/workspaces/invitations/accept", json={"token": token})


async def join(admin: Member, member: Member, role: str = "viewer") -> None:
    """Adds a member to the workspace of the admin; their later requests are about that workspace."""
    invitation = await invite(admin, member.email, role)
    accepted = await accept(member, invitation["token"])
    assert accepted.status_code == 200, accepted.text
    member.workspace_id = admin.session["workspace_id"]


def assert_problem(response: httpx.Response, status: int, detail: str | None = None) -> dict[str, Any]:
    """Checks the shape that all errors share, and returns the body."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "request_id"} <= body.keys()
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    assert ("errors" in body) == (status == 422)
    for fault in body.get("errors", ()):
        assert fault.keys() == {"loc", "msg", "type"}
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status in (429, 503):
        assert int(response.headers["retry-after"]) >= 1
    if detail is not None:
        assert body["detail"] == detail
    return body
