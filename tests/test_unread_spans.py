"""Spans that look like model calls but are of no known convention: they are counted, and shown without their texts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from fastapi import FastAPI

from config import Settings
from database import Database
from engines.unread_spans import MOST_KINDS, UnreadSpanEngine, UnreadTotal
from providers.formats import UnreadCall
from schemas.unread_spans import UnreadCount
from tests.conftest import client_of, running
from tests.support.otlp import CHAT, request_of, span
from tests.support.team import Member, new_api_key, sign_up
from utils.errors import Unavailable

HOUSE = {
    "house.model_name": "gpt-4o",
    "house.tokens.prompt": 9,
    "house.model_answer": "CANARY",
    "house.prompt": "CANARY",
}
USED = {"house.model_name": "gpt-4o", "house.tokens.prompt": 2006}


async def send(app: FastAPI, member: Member, *spans: dict[str, Any], scope: str = "house") -> None:
    """Sends spans with a key, and stores what was counted."""
    key = await new_api_key(member)
    response = await key.request("POST", "/v1/traces", json=request_of(*spans, scope=scope))
    assert (response.status_code, response.json()) == (200, {})
    await engine(app).close()


async def unread(member: Member) -> list[tuple[str, int]]:
    """The scopes and numbers of the spans that are shown."""
    found = (await member.get("/api/ingest/unread-spans"))["unread_spans"]
    return [(each["scope"], each["spans"]) for each in found]


def engine(app: FastAPI) -> UnreadSpanEngine:
    found: UnreadSpanEngine = app.state.engines.unread_spans
    return found


@pytest.mark.both_roads
async def test_spans_that_are_not_understood_are_shown_with_an_example_without_texts(settings: Settings) -> None:
    async with running(settings) as app, client_of(app) as client:
        ada, bob = await sign_up(client, "Ada"), await sign_up(client, "Bob")
        assert await unread(ada) == []
        await send(app, ada, span(1, CHAT), span(2, HOUSE), span(3, {**HOUSE, "house.tokens.prompt": 7}))
        await send(app, ada, span(4, {**HOUSE, "house.tokens.answer": 1.5}), span(5, HOUSE))
        answer = await ada.get("/api/ingest/unread-spans")
        assert "CANARY" not in str(answer)
        first, more = answer["unread_spans"]
        assert (first["scope"], first["spans"], more["spans"]) == ("house", 3, 1)
        assert first["example"] == [
            {"name": "house.model_answer", "value": None},
            {"name": "house.model_name", "value": "gpt-4o"},
            {"name": "house.tokens.prompt", "value": "9"},
        ]
        assert first["first_seen_at"] < more["first_seen_at"] == more["last_seen_at"] == first["last_seen_at"]
        assert await unread(bob) == []
        assert len(await ada.events()) == 1


@pytest.mark.parametrize(
    ("spans", "counted"),
    [
        ([span(1, USED), span(2, CHAT, 1)], 0),
        ([span(1, USED), span(2, {}, 1), span(3, CHAT, 2)], 0),
        ([span(1, CHAT), span(2, {}, 1), span(3, USED, 2)], 0),
        ([span(1, {}), span(2, USED, 1), span(3, CHAT, 1)], 1),
        ([span(1, USED), span(2, USED, 1)], 2),
        # Spans that are above each other, which no tracer makes.
        ([span(1, USED, 2), span(2, USED, 1)], 2),
        ([span(1, {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9})], 0),
    ],
)
async def test_a_span_above_or_beneath_a_call_only_repeats_it(
    app: FastAPI, ada: Member, spans: list[dict[str, Any]], counted: int
) -> None:
    await send(app, ada, *spans)
    assert await unread(ada) == ([("house", counted)] if counted else [])


@pytest.mark.parametrize(
    ("attributes", "counted"),
    [
        ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9}, 1),
        ({"llm.request.type": "completion", "traceloop.span.kind": "task", "llm.usage.prompt_tokens": 9}, 1),
        ({"openinference.span.kind": "LLM", "llm.token_count.prompt": 9}, 1),
        ({"ai.operationId": "ai.streamText.doStream", "ai.usage.inputTokens": 9}, 1),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9}, 0),
        ({"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 9}, 0),
        ({"ai.operationId": "ai.streamText", "ai.usage.inputTokens": 9}, 0),
        ({"gen_ai.operation.name": "chat"}, 0),
    ],
)
async def test_a_call_of_a_known_convention_without_a_model_is_counted(
    app: FastAPI, ada: Member, attributes: dict[str, Any], counted: int
) -> None:
    await send(app, ada, span(1, attributes))
    assert await unread(ada) == ([("house", counted)] if counted else [])


async def test_names_and_numbers_of_any_kind_are_stored(app: FastAPI, ada: Member) -> None:
    odd = [
        {"key": "model\x00\n", "value": {"stringValue": "gpt-4o"}},
        {"key": "tokens", "value": {"intValue": "9" * 300}},
        {"key": "tokens.more", "value": {"doubleValue": 1e300}},
        {"key": "tokens.none", "value": {"doubleValue": [1]}},
    ]
    await send(app, ada, {**span(1, {}), "attributes": odd}, scope="a\x00scope")
    (found,) = (await ada.get("/api/ingest/unread-spans"))["unread_spans"]
    assert found["scope"] == "a scope"
    assert {each["name"]: each["value"] for each in found["example"]} == {
        "model  ": None,
        "tokens": None,
        "tokens.more": "1E+300",
        "tokens.none": None,
    }


async def test_kinds_beyond_the_limit_are_not_counted(
    app: FastAPI, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[int] = []
    note = UnreadSpanEngine.note

    def noting(self: UnreadSpanEngine, workspace_id: UUID, totals: dict[UnreadCall, UnreadTotal]) -> None:
        noted.append(len(totals))
        note(self, workspace_id, totals)

    monkeypatch.setattr(UnreadSpanEngine, "note", noting)
    await send(app, ada, *(span(n, {**USED, f"tokens.{n}": 1}) for n in range(1, 2 * MOST_KINDS)))
    assert noted == [MOST_KINDS]
    assert await unread(ada) == [("house", 1)] * MOST_KINDS
    for half in range(2):
        numbers = range(half * MOST_KINDS, half * MOST_KINDS + MOST_KINDS)
        engine(app).note(UUID(int=1), {UnreadCall("", (str(n),)): UnreadTotal({}) for n in numbers})
    assert [len(kinds) for kinds in engine(app)._counts.values()] == [MOST_KINDS]


async def test_counts_that_the_database_did_not_take_are_stored_later(
    app: FastAPI, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable

    workspace_id = UUID(ada.session["workspace_id"])
    kind = UnreadCall("house", ("model", "tokens"))
    with monkeypatch.context() as patch:
        patch.setattr(Database, "unread_spans_note", away)
        engine(app).note(workspace_id, {kind: UnreadTotal({}, 2)})
        await engine(app).close()
    engine(app).note(workspace_id, {kind: UnreadTotal({}, 3)})
    # A workspace that no longer exists.
    engine(app).note(uuid4(), {kind: UnreadTotal({}, 3)})
    await engine(app).close()
    assert await unread(ada) == [("house", 5)]


async def test_kinds_of_the_last_seven_days_are_kept_up_to_fifty(
    app: FastAPI, ada: Member, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    workspace_id, at = UUID(ada.session["workspace_id"]), datetime(2026, 1, 31, 12, tzinfo=UTC)
    database: Database = engine(app)._database

    async def note(kind: int, days: int, spans: int = 1) -> None:
        counts = [UnreadCount(UUID(int=kind), f"scope {kind}", spans, [])]
        await database.unread_spans_note(workspace_id, counts, at + timedelta(days=days))

    await note(1, 0)
    await note(2, 6)
    await note(1, 6, spans=2)
    shown = await database.unread_spans_list(workspace_id, at + timedelta(days=12, hours=23))
    assert [(each.scope, each.spans) for each in shown] == [("scope 1", 3), ("scope 2", 1)]
    assert await database.unread_spans_list(workspace_id, at + timedelta(days=13)) == []
    # What is seen again after seven days is counted from the beginning.
    await note(2, 13, spans=4)
    rows = await sql.fetch("select scope, spans from public.unread_spans")
    assert [tuple(row) for row in rows] == [("scope 2", 4)]
    for kind in range(3, 53):
        await note(kind, 14)
    scopes = {each.scope for each in await database.unread_spans_list(workspace_id, at + timedelta(days=14))}
    assert scopes == {f"scope {kind}" for kind in range(3, 53)}
