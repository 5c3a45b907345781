"""Events in large numbers, and a recount of what is stored."""

import random
from typing import Any

import asyncpg

from tests.support.team import call


def varied(number: int) -> dict[str, Any]:
    """One of many different calls; a number always gives the same one."""
    chance = random.Random(number)
    return call(
        id=f"call-{number}",
        model=chance.choice(["gpt-4o", "gpt-4o-mini", "mystery"]),
        input_tokens=chance.randrange(10_000),
        output_tokens=chance.randrange(2_000),
        project=chance.choice(["search", "chat", None]),
        tags={"team": chance.choice("abc")},
        latency_ms=chance.choice([None, round(chance.lognormvariate(6, 1), 3)]),
        status=chance.choice(["success", "success", "error"]),
        timestamp=f"2026-01-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:{chance.randrange(60):02}:00Z",
    )


async def recount(sql: "asyncpg.Connection[asyncpg.Record]", workspace_id: str) -> tuple[int, Any]:
    """The number of events and their cost, by plain SQL; every row of the rollups must agree."""
    assert await sql.fetchval("select public.rollup_differences($1, '-infinity')", workspace_id) == 0
    events, cost = await sql.fetchrow(
        "select count(*), coalesce(sum(cost), 0) from public.events where workspace_id = $1", workspace_id
    ) or (0, 0)
    rolled = await sql.fetchrow(
        "select sum(calls), sum(cost) from public.spend_hourly where workspace_id = $1", workspace_id
    )
    assert rolled is not None
    assert tuple(rolled) == (events, cost)
    return events, cost
