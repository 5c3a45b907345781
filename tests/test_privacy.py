"""The archive of a workspace is complete, and no prompt is ever stored."""

import json
import logging
from collections import Counter
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from config import Settings
from tests.support.archive import archive
from tests.support.data import cases
from tests.support.team import Member, assert_problem, call, new_api_key

MARK = "the-secret-words-of-a-prompt"
RESPONSES = cases("responses_with_texts.json")


@pytest.mark.parametrize("event", RESPONSES.values(), ids=RESPONSES)
async def test_the_texts_of_a_response_are_not_stored(
    ada: Member,
    sql: "asyncpg.Connection[asyncpg.Record]",
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    event: dict[str, Any],
) -> None:
    assert MARK in json.dumps(event)
    caplog.set_level(logging.DEBUG)
    tracked = await ada.request("POST", "/api/events/track", json=event)
    assert tracked.status_code == 201, tracked.text
    assert (await ada.batch(event))["recorded"] == 1
    # An unreadable response is refused without repeating it.
    unreadable = {key: value for key, value in event["response"].items() if "usage" not in key}
    broken = {"provider": event["provider"], "response": unreadable}
    refused = await ada.request("POST", "/api/events/track", json=broken)
    assert_problem(refused, 422)
    rejected = await ada.batch(broken, {**broken, "prompt": MARK})
    assert len(rejected["rejected"]) == 2
    listed = await ada.get("/api/events")
    for said in (tracked.text, refused.text, json.dumps(rejected), json.dumps(listed), caplog.text):
        assert MARK not in said
    assert not any(MARK in str(record.__dict__) for record in caplog.records)
    if settings.road == "postgres":
        assert MARK not in await everything(sql)


async def everything(sql: "asyncpg.Connection[asyncpg.Record]") -> str:
    """Every row of every table, as text."""
    tables = await sql.fetch("select tablename from pg_tables where schemaname = 'public'")
    assert len(tables) > 10
    rows = [await sql.fetchval(f'select jsonb_agg(to_jsonb(t)) from public."{table[0]}" t') for table in tables]
    text = json.dumps(rows, default=str)
    assert "gpt-4o" in text or "claude" in text or "gemini" in text
    return text


@pytest.mark.usefixtures("no_deliveries")
@pytest.mark.both_roads
async def test_the_archive_holds_everything_of_its_workspace_and_nothing_of_others(ada: Member, bob: Member) -> None:
    await ada.batch(
        *[call(id=f"e{n}", project=f"p{n % 2}", tags={"n": str(n)}, cost="0.1234567890123") for n in range(7)]
    )
    await ada.batch(*[call(timestamp=f"2026-01-{day:02}T12:00:00Z") for day in range(1, 6)])
    await ada.request("POST", "/api/budgets", json={"limit": 10, "name": "Ten"})
    await ada.request("POST", "/api/prices", json={"provider": "openai", "model": "x", "percent_of_list": 50})
    await ada.request("POST", "/api/workspaces/invitations", json={"email": "grace@example.com"})
    kept = await ada.request("POST", "/api/provider-keys", json={"provider": "openai", "key": "sk-0123456789"})
    assert kept.status_code == 201
    hook = {"kind": "webhook", "name": "hook", "url": "https://hooks.example.com/0123456789"}
    channel = await ada.request("POST", "/api/alert-channels", json=hook)
    assert channel.status_code == 201
    await ada.track(model="no-such-model")
    for member in (ada, bob):
        rated = await member.request("POST", "/feedback", json={"event_id": "e1", "rating": 5, "comment": member.email})
        assert rated.status_code == (201 if member is ada else 404)
    application = await new_api_key(ada, name="backend")
    await bob.track(project="bravo", model="bravo")
    files = await archive(ada)
    assert {name: len(rows) for name, rows in files.items()} == {
        "workspace": 1, "settings": 1, "members": 1, "invitations": 1, "projects": 2, "api_keys": 1,
        "provider_keys": 1, "prices": 1,
        "budgets": 1, "budget_periods": 2, "alert_channels": 1, "alerts": 1, "audit_log": 8,
        "feedback": 1,
        "spend_hourly": 8, "events": 13,
    }  # fmt: skip
    assert {event["event_id"] for event in files["events"]} == {
        event["event_id"] for event in (await ada.get("/api/events", limit=100))["events"]
    }
    assert Counter(event["cost"] for event in files["events"]) == {
        Decimal("0.1234567890123"): 7, Decimal("0.0075"): 5, None: 1,
    }  # fmt: skip
    assert [(row["comment"], row["cost"]) for row in files["feedback"]] == [(ada.email, Decimal("0.1234567890123"))]
    assert sum(row["calls"] for row in files["spend_hourly"]) == 13
    text = str(files)
    for secret in (
        application.key,
        channel.json()["signing_secret"],
        "/0123456789",
        "sk-0123456789",
        "key_hash",
        "token",
        "ciphertext",
        "bravo",
        bob.email,
    ):
        assert secret not in text.replace("_tokens", ""), secret


@pytest.mark.both_roads
async def test_an_archive_longer_than_a_page_is_complete(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.archive._TOTALS_AT_ONCE", 2)
    for batch in range(3):
        await ada.batch(*[call(id=f"{batch}-{n}", model=f"m{n % 7}") for n in range(500)])
    files = await archive(ada)
    assert len({event["event_id"] for event in files["events"]}) == 1500
    assert Counter(row["model"] for row in files["spend_hourly"]).keys() == {f"m{n}" for n in range(7)}
    assert sum(row["calls"] for row in files["spend_hourly"]) == 1500
