"""Budgets, and reservations of calls that cost a cent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.team import Caller, Member, call

# 4,000 tokens into gpt-4o cost exactly a cent.
CENT = {"provider": "openai", "model": "gpt-4o", "input_tokens": 4000, "max_output_tokens": 0}
CENT_SPENT = call(input_tokens=4000, output_tokens=0)


def last_month() -> datetime:
    """Noon of the 15th of last month: far from the ends of its periods, and never in the future."""
    last = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    return last.replace(day=15, hour=12, minute=0, second=0, microsecond=0)


async def set_budget(admin: Member, **budget: Any) -> dict[str, Any]:
    response = await admin.request("POST", "/api/budgets", json={"limit": 1, **budget})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def reserve(caller: Caller, **planned: Any) -> httpx.Response:
    return await caller.request("POST", "/api/budgets/reservations", json={**CENT, **planned})


async def the_budget(admin: Member) -> tuple[float, float, float]:
    """The spend, the reserved and the remaining amount of the only budget."""
    (budget,) = (await admin.get("/api/budgets"))["budgets"]
    return budget["current_spend"], budget["reserved"], budget["remaining"]
