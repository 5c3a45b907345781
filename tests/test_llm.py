"""Calls logged by an application: the same events, by another endpoint."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest

from config import Settings
from providers import PriceBook
from schemas.usage import Usage
from tests.support.team import Member, assert_problem, new_api_key

BOOK = PriceBook()


def observed(**changes: Any) -> dict[str, Any]:
    """A call to gpt-4o of 1,000 and 500 tokens, which costs 0.0075 USD, with these changes."""
    named = {} if "model" in changes else {"model_id": "openai/gpt-4o"}
    return {
        **named, "prompt_tokens": 1000, "completion_tokens": 500, "latency_ms": 840.5, "status": "success", **changes,
    }  # fmt: skip


async def log(member: Member, path: str = "/llm/log-call", **changes: Any) -> dict[str, Any]:
    """A call that is logged."""
    response = await member.request("POST", path, json=observed(**changes))
    assert response.status_code == 200, response.text
    logged: dict[str, Any] = response.json()
    return logged


async def test_a_logged_call_is_answered_as_it_is_stored(ada: Member) -> None:
    logged = await log(ada, status="timeout", error_message="gave up", total_tokens=1500)
    pricing = logged.pop("pricing")
    assert pricing.endswith(":openai/gpt-4o")
    del logged["event_id"], logged["tracked_at"]
    assert logged == {
        "user_id": ada.session["user_id"], "provider": "openai", "model": "gpt-4o", "total_tokens": 1500,
        "cost": 0.0075, "prompt_tokens": 1000, "completion_tokens": 500, "latency_ms": 840.5, "status": "timeout",
        "error_message": "gave up", "policy_violations": [],
    }  # fmt: skip


@pytest.mark.both_roads
async def test_every_endpoint_stores_the_same_event(ada: Member) -> None:
    await ada.track(latency_ms=840.5, timestamp=datetime.now(UTC).isoformat())
    for path in ("/llm/log-call", "/api/llm/log-call"):
        await log(ada, path)
        await log(ada, path, model="gpt-4o")
        await log(ada, path, model="gpt-4o", provider="OpenAI")
    events = (await ada.get("/api/events"))["events"]
    own = ("event_id", "timestamp", "tracked_at")
    stored = [{name: value for name, value in event.items() if name not in own} for event in events]
    assert stored == [stored[0]] * 7
    assert (await ada.get("/api/costs/summary"))["call_count"] == 7


async def test_an_idempotency_key_makes_logging_repeatable(ada: Member) -> None:
    header = {"Idempotency-Key": "call-1"}
    first = await ada.request("POST", "/llm/log-call", json=observed(), headers=header)
    again = await ada.request("POST", "/llm/log-call", json=observed(latency_ms=1, status="error"), headers=header)
    assert first.json() == again.json()
    assert first.json()["latency_ms"] == 840.5
    assert (await ada.get("/api/events/call-1"))["event_id"] == first.json()["event_id"]
    assert (await ada.get("/api/costs/summary"))["call_count"] == 1


async def test_conflicting_fields_are_refused_and_nothing_is_stored(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]", settings: Settings
) -> None:
    for wrong, detail in (
        ({"total_tokens": 1501}, "total_tokens (1501) is not the sum of prompt_tokens and completion_tokens (1500)"),
        ({"model_id": "openai/gpt-0"}, "model_id must be an id from GET /api/llm/models"),
        ({"model_id": "gpt-4o"}, "model_id must be an id from GET /api/llm/models"),
        ({"model_id": None, "model": None}, "send either model_id or model"),
        ({"model_id": "openai/gpt-4o", "model": "gpt-4o"}, "send either model_id or model"),
        ({"provider": "openai"}, "model_id includes the provider; send provider only with model"),
        ({"model": "in-house-1"}, "provider is required, because the price list has no such model"),
        ({"latency_ms": None}, None),
        ({"latency_ms": -1}, None),
        ({"status": "fine"}, None),
        ({"prompt_tokens": 1.5}, None),
        ({"error_message": "x" * 2001}, None),
        ({"tags": {}}, None),
    ):
        problem = assert_problem(await ada.request("POST", "/llm/log-call", json=observed(**wrong)), 422)
        assert detail is None or detail in problem["errors"][0]["msg"], wrong
    if settings.road == "postgres":
        assert await sql.fetchval("select count(*) from public.events") == 0


async def test_an_unknown_model_is_logged_unpriced_with_its_provider(ada: Member) -> None:
    logged = await log(ada, model="in-house-1", provider="acme")
    assert (logged["cost"], logged["pricing"]) == (None, "unpriced")


async def test_the_models_come_page_by_page(ada: Member) -> None:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await ada.get("/llm/models", limit=700, **({"cursor": cursor} if cursor else {}))
        found += page["models"]
        assert page["count"] == len(page["models"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [model["id"] for model in found] == sorted({model["id"] for model in found})
    assert len(found) == len(BOOK.models()) > 2000
    (mini,) = [model for model in found if model["id"] == "openai/gpt-4o-mini"]
    assert mini == {
        "id": "openai/gpt-4o-mini", "provider": "openai", "model": "gpt-4o-mini", "title": "gpt 4o mini",
        "context_window": 128000,
        "rates": {"input": 0.15, "cache_read": 0.075, "cache_write": 0.15, "cache_write_1h": 0.15, "output": 0.6,
                  "reasoning": 0.6, "request": 0},
    }  # fmt: skip


async def test_models_are_filtered_by_provider_and_text(ada: Member) -> None:
    google = (await ada.get("/api/llm/models", provider="gemini", limit=1000))["models"]
    assert {model["provider"] for model in google} == {"google"}
    assert "google/palm-2" in {model["id"] for model in google}
    minis = (await ada.get("/api/llm/models", provider="openai", search="4O-Mini"))["models"]
    assert "openai/gpt-4o-mini" in {model["id"] for model in minis}
    assert all("4o-mini" in model["id"] for model in minis)
    assert (await ada.get("/api/llm/models", provider="no-vendor"))["models"] == []
    assert_problem(await ada.request("GET", "/llm/models", params={"cursor": "x"}), 422)


async def test_logging_and_reading_need_permissions(ada: Member, client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/llm/log-call", json=observed()), 401)
    reader = await new_api_key(ada, scopes=["read"])
    assert_problem(await reader.request("POST", "/llm/log-call", json=observed()), 403)
    assert (await reader.get("/llm/models", limit=1))["count"] == 1


def test_every_listed_model_has_its_own_price() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    for listed in BOOK.models():
        assert BOOK.model_of_id(listed.id) == (listed.provider, listed.model)
        price = BOOK.price(listed.provider, listed.model, Usage(10, output_tokens=10), at)
        assert price.pricing.endswith(f":{listed.id}") or price.pricing == "unpriced"
        rates = BOOK.rates(listed.provider, listed.model, 0, at)
        assert rates is not None
        # Rates contain only prices by the token.
        assert price.cost is None or rates.cost(Usage(10, output_tokens=10)) == price.cost


@pytest.mark.parametrize("model_id", ["", "/", "openai", "openai/", "OpenAI/gpt-4o", "gemini/palm-2", "openai/GPT-4o"])
def test_an_id_is_accepted_only_as_listed(model_id: str) -> None:
    assert BOOK.model_of_id(model_id) is None
