"""Both roads to the database return the same: straight to Postgres, and through PostgREST."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from postgrest.exceptions import APIError

from database import Database
from roads.postgres import PostgresRoad
from roads.road import Road
from roads.supabase import SupabaseRoad
from tests.support.ledger import Ledger
from tests.support.plugin import copied_database, drop_database
from tests.support.supabase_project import SECRET_KEY
from tests.support.supabase_server import SupabaseServer
from utils.errors import LLMLabError

# Ids and timestamps that a function generates.
MADE_UP = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.]*(\+00:00|Z)?"
)

REFUSALS = {"Conflict", "Forbidden", "NotFound", "fault"}


@pytest.fixture
def url(project_url: str) -> str:
    """The database of a Supabase project."""
    return project_url


def place_in_order(function: str) -> int:
    """Functions that delete come last, so that the others find their rows."""
    if function in ("audit_list", "invitation_delete"):
        # Everything here happens at the same moment, so the order of its record is made up. A new invitation takes the
        # place of the one before.
        return -1
    return int(function.endswith(("_delete", "_leave", "_remove", "_release")))


async def answer(road: Road, function: str, parameters: dict[str, Any]) -> Any:
    """The answer or the refusal of a function on a road, in JSON, without generated values."""
    try:
        answered = await road.call(function, parameters)
    except LLMLabError as error:
        return {type(error).__name__: str(error)}
    except asyncpg.UniqueViolationError as error:
        return {"fault": error.sqlstate}
    except APIError as error:
        return {"fault": error.code}
    text = MADE_UP.sub("made up", orjson.dumps(answered, default=_plain).decode())
    # Each road has its own empty value for a function that returns nothing.
    return orjson.loads(text) or None


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


async def test_every_function_returns_the_same_on_both_roads(ledger: Ledger, url: str, tmp_path: Path) -> None:
    calls = [call for call in await ledger.calls() if hasattr(Database, call[0])]
    calls.sort(key=lambda call: place_in_order(call[0]))
    await ledger.sql.close()
    direct, through_rest = [await copied_database(url) for _ in range(2)]
    server = SupabaseServer(tmp_path, through_rest)
    roads: list[Road] = [await PostgresRoad.open(direct), await SupabaseRoad.open(server.url, SECRET_KEY)]
    try:
        refused = set()
        for function, parameters, must_be_accepted in calls:
            one, other = [await answer(road, function, parameters) for road in roads]
            assert one == other, f"{function}({parameters})"
            if must_be_accepted and isinstance(one, dict) and one.keys() <= REFUSALS:
                refused.add(function)
        assert not refused, "nothing is compared of these"
        assert len({function for function, _, _ in calls}) > 70
    finally:
        for road in roads:
            await road.close()
        server.stop()
        for database in (direct, through_rest):
            await drop_database(database)
