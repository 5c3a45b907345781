"""`./run.sh demo`: the server with a workspace of ninety days of made-up calls, in a data folder of its own."""

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
from database import StartError
from demo.story import tell
from main import create_app, serve
from utils import json

ADMIN = {"email": "admin@example.com", "password": "admin123", "name": "Ada Admin"}
VIEWER = {"email": "viewer@example.com", "password": "viewer123", "name": "Victor Viewer"}
_WORKSPACE = "Example company"
_BATCH = 1_000
_AT_ONCE = 8


def demo_settings() -> Settings:
    """The server's settings, but always with the embedded database, in a folder of the demo's own."""
    folder = read_settings().data_dir / "demo"
    return read_settings(data_dir=folder, database_url=None, supabase_url=None, supabase_key=None, workers=1)


def prepare(folder: Path, today: date) -> bool:
    """Makes the folder, anew unless it was filled today; returns whether it is to be filled."""
    mark = folder / DEMO_MARK
    if mark.exists() and mark.read_text() == today.isoformat():
        return False
    if folder.exists():
        if not mark.exists():
            sys.exit(f"Cannot start: {folder} is there and is no demo; move it away, or set another DATA_DIR")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.touch()
    return True


async def fill(settings: Settings, now: datetime) -> None:
    """Signs the two up and sends all that the story tells, as its company would have."""
    app = create_app(settings.model_copy(update={"rate_limit_per_minute": 0}), demo=True)
    story = tell(now, Random(1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://demo") as client,
    ):
        await _people(client)
        for start in range(0, len(story.events), _BATCH):
            await _post(client, "/api/events/batch", {"events": story.events[start : start + _BATCH]})
            _show(start / len(story.events) * 0.9)
        await _budgets(client, now)
        waiting = iter(story.feedback)
        await asyncio.gather(*[_say(client, waiting) for _ in range(_AT_ONCE)])
        _show(1)


async def _people(client: httpx.AsyncClient) -> None:
    """The admin with the workspace, and the viewer in it and in no other."""
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


async def _budgets(client: httpx.AsyncClient, now: datetime) -> None:
    """One that is nearly used up, one that is exceeded, and one that has room."""
    month = {"start": now.replace(day=1).date().isoformat(), "end": (now + timedelta(days=1)).date().isoformat()}
    spent = await _send(client, "GET", "/api/costs/by-project", None, params=month)
    by_project = {row["project"]: row["total_cost"] for row in spent["project_costs"]}
    for scope, share in ((None, 0.86), ("reports", 1.04), ("support bot", 0.41)):
        amount = sum(by_project.values()) if scope is None else by_project.get(scope, 0)
        budget: dict[str, Any] = {"limit": max(5, round(amount / share)), "name": scope or "Everything"}
        await _post(client, "/api/budgets", budget | ({"scope": {"project": scope}} if scope else {}))


async def _say(client: httpx.AsyncClient, waiting: Iterable[dict[str, Any]]) -> None:
    for feedback in waiting:
        await _post(client, "/api/feedback", feedback)


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    return await _send(client, "POST", path, body)


async def _send(client: httpx.AsyncClient, method: str, path: str, body: Any, **options: Any) -> Any:
    """What the server answers; it must succeed."""
    content = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    response = await client.request(method, path, content=content, headers=headers, timeout=60, **options)
    response.raise_for_status()
    return response.json() if response.content else None


def _show(share: float) -> None:
    """A progress bar where somebody can see it."""
    if sys.stderr.isatty():
        print(f"\rMaking {'#' * round(share * 30):30} {share:4.0%}", end="" if share < 1 else "\n", file=sys.stderr)


def main() -> None:
    """Fills the demo's folder if that has not been done today, and serves it."""
    settings = demo_settings()
    now = datetime.now(UTC)
    try:
        if prepare(settings.data_dir, now.date()):
            print("Making ninety days of calls for the demo ...", file=sys.stderr, flush=True)
            asyncio.run(fill(settings, now))
            (settings.data_dir / DEMO_MARK).write_text(now.date().isoformat())
    except StartError as error:
        sys.exit(f"Cannot start: {error}")
    for who in (ADMIN, VIEWER):
        print(f"Sign in as {who['email']} with the password {who['password']}", flush=True)
    serve(settings, demo=True)


if __name__ == "__main__":
    main()
