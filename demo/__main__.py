"""`./run.sh demo`: the server with 90 days of sample calls, in a separate data folder."""

import asyncio
import shutil
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx

from config import DEMO_MARK, Settings, read_settings
from demo.story import make_story
from engines import Engines
from main import create_app, serve
from utils import json
from utils.errors import StartError

ADMIN = {"email": "admin@example.com", "password": "admin123", "name": "Ada Admin"}
VIEWER = {"email": "viewer@example.com", "password": "viewer123", "name": "Victor Viewer"}
_WORKSPACE = "Example company"
_BATCH = 1_000
_CONCURRENCY = 8
_REFUSED = 412
_UNREAD = 12


def demo_settings() -> Settings:
    """The server's settings, with the embedded database in the demo's folder."""
    folder = read_settings().data_dir / "demo"
    return read_settings(data_dir=folder, database_url=None, supabase_url=None, supabase_key=None, workers=1)


def prepare(folder: Path, today: date) -> bool:
    """Creates the folder, unless it was filled today. Returns whether it must be filled."""
    mark = folder / DEMO_MARK
    if mark.exists() and mark.read_text() == today.isoformat():
        return False
    if folder.exists():
        if not mark.exists():
            sys.exit(f"Cannot start: {folder} exists and is not a demo. Move it, or set another DATA_DIR.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.touch()
    return True


async def fill(settings: Settings, now: datetime) -> None:
    """Signs up both users and sends the events and feedback of the story."""
    app = create_app(settings.model_copy(update={"rate_limit_per_minute": 0}), demo=True)
    story = make_story(now, Random(1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://demo") as client,
    ):
        await _sign_up(client)
        for start in range(0, len(story.events), _BATCH):
            await _post(client, "/api/events/batch", {"events": story.events[start : start + _BATCH]})
            _show_progress(start / len(story.events) * 0.9)
        await _add_budgets(client, now)
        await _add_keys(client, app.state.engines)
        await _add_unread_spans(client, now)
        feedback = iter(story.feedback)
        await asyncio.gather(*[_send_feedback(client, feedback) for _ in range(_CONCURRENCY)])
        _show_progress(1)


async def _sign_up(client: httpx.AsyncClient) -> None:
    """Creates the admin with the workspace, and the viewer as its member without a workspace of their own."""
    admin = await _post(client, "/api/auth/signup", ADMIN)
    viewer = await _post(client, "/api/auth/signup", VIEWER)
    client.headers["Authorization"] = f"Bearer {admin['access_token']}"
    await _send(client, "PATCH", "/api/workspaces/current", {"name": _WORKSPACE})
    invitation = await _post(client, "/api/workspaces/invitations", {"email": VIEWER["email"], "role": "viewer"})
    as_viewer = {"Authorization": f"Bearer {viewer['access_token']}"}
    body = {"token": invitation["token"]}
    await _send(client, "POST", "/api/workspaces/invitations/accept", body, headers=as_viewer)
    own = {"headers": {**as_viewer, "X-Workspace-Id": viewer["workspace_id"]}}
    (name,) = [
        w["name"]
        for w in (await _send(client, "GET", "/api/workspaces", None, headers=as_viewer))["workspaces"]
        if w["id"] == viewer["workspace_id"]
    ]
    await _send(client, "DELETE", f"/api/workspaces/current?name={name}", None, **own)


async def _add_budgets(client: httpx.AsyncClient, now: datetime) -> None:
    """Adds a budget almost at its limit, one above it, and one well below it."""
    month = {"start": now.replace(day=1).date().isoformat(), "end": (now + timedelta(days=1)).date().isoformat()}
    spent = await _send(client, "GET", "/api/costs/by-project", None, params=month)
    by_project = {row["project"]: row["total_cost"] for row in spent["project_costs"]}
    for scope, share in ((None, 0.86), ("reports", 1.04), ("support bot", 0.41)):
        amount = sum(by_project.values()) if scope is None else by_project.get(scope, 0)
        budget: dict[str, Any] = {"limit": max(5, round(amount / share)), "name": scope or "Everything"}
        await _post(client, "/api/budgets", budget | ({"scope": {"project": scope}} if scope else {}))


async def _add_keys(client: httpx.AsyncClient, engines: Engines) -> None:
    """Adds two keys, one of which has just sent more than the server takes."""
    for name, refused in (("reports", 0), ("nightly import", _REFUSED)):
        made = await _post(client, "/api/keys", {"name": name})
        key = await engines.identities.identify(made["key"])
        for _ in range(refused):
            engines.refusals.note(key, "ingest_events")


async def _add_unread_spans(client: httpx.AsyncClient, now: datetime) -> None:
    """Sends spans of an instrumentation that follows no supported convention."""
    start = int(now.timestamp()) * 1_000_000_000
    attributes = [
        {"key": "gateway.model_name", "value": {"stringValue": "support-7b-v3"}},
        {"key": "gateway.tokens.prompt", "value": {"intValue": "812"}},
        {"key": "gateway.tokens.answer", "value": {"intValue": "146"}},
    ]
    spans = [
        {
            "traceId": f"{number:032x}",
            "spanId": f"{number:016x}",
            "name": "complete",
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + 840_000_000),
            "attributes": attributes,
        }
        for number in range(1, _UNREAD + 1)
    ]
    await _post(
        client, "/v1/traces", {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "gateway"}, "spans": spans}]}]}
    )


async def _send_feedback(client: httpx.AsyncClient, feedback: Iterable[dict[str, Any]]) -> None:
    for rating in feedback:
        await _post(client, "/api/feedback", rating)


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    return await _send(client, "POST", path, body)


async def _send(client: httpx.AsyncClient, method: str, path: str, body: Any, **options: Any) -> Any:
    """Sends a request and returns the JSON answer. Raises httpx.HTTPStatusError."""
    content = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    response = await client.request(method, path, content=content, headers=headers, timeout=60, **options)
    response.raise_for_status()
    return response.json() if response.content else None


def _show_progress(share: float) -> None:
    """Prints a progress bar on a terminal."""
    if sys.stderr.isatty():
        print(f"\rCreating {'#' * round(share * 30):30} {share:4.0%}", end="" if share < 1 else "\n", file=sys.stderr)


def main() -> None:
    """Fills the demo's folder if it was not filled today, and starts the server."""
    settings = demo_settings()
    now = datetime.now(UTC)
    try:
        if prepare(settings.data_dir, now.date()):
            print("Creating 90 days of sample calls ...", file=sys.stderr, flush=True)
            asyncio.run(fill(settings, now))
            (settings.data_dir / DEMO_MARK).write_text(now.date().isoformat())
    except StartError as error:
        sys.exit(f"Cannot start: {error}")
    for user in (ADMIN, VIEWER):
        print(f"Sign in as {user['email']} with the password {user['password']}", flush=True)
    serve(settings, demo=True)


if __name__ == "__main__":
    main()
