"""Budgets that create alerts, channels, and the state of a delivery."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

from engines.alerts import BACKOFF
from tests.support.team import Member, call

# 4,000 tokens into gpt-4o cost exactly a cent.
CENT_SPENT = call(input_tokens=4000, output_tokens=0)


def hurry(app: FastAPI) -> None:
    """Shortens the intervals of deliveries and retries."""
    app.state.engines.alerts.delivering.every_seconds = 0.05
    app.state.engines.alerts.backoff = (0.05,) * len(BACKOFF)


async def add_channel(admin: Member, url: str, kind: str = "webhook", name: str = "channel") -> dict[str, Any]:
    response = await admin.request("POST", "/api/alert-channels", json={"kind": kind, "name": name, "url": url})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def set_budget(admin: Member, **budget: Any) -> None:
    response = await admin.request("POST", "/api/budgets", json={"limit": "0.01", "thresholds": [100], **budget})
    assert response.status_code == 201, response.text


async def cross(admin: Member) -> None:
    """Creates one alert of a budget."""
    await set_budget(admin, name="Team")
    await admin.track(**CENT_SPENT)


async def delivery(admin: Member) -> dict[str, Any]:
    """The only delivery of the newest alert."""
    alert = (await admin.get("/api/alerts", limit=1))["alerts"][0]
    (found,) = alert["deliveries"]
    return dict(found)


def has_status(admin: Member, status: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return bool((await delivery(admin))["status"] == status)

    return check
