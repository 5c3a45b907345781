"""Tracking calls: what is stored, its cost, and that it is stored once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.support.data import cases
from tests.support.team import Member, assert_problem, call

RESPONSES = cases("responses.json")


@pytest.mark.both_roads
async def test_tracking_a_call_answers_what_it_cost(ada: Member) -> None:
    response = await ada.track(project="search", tags={"team": "a"}, latency_ms=120.5, metadata={"n": 1.5})
    assert response.status_code == 201
    body = response.json()
    assert UUID(body["event_id"]).version == 7
    assert body["user_id"] == ada.session["user_id"]
    assert body["total_tokens"] == 1500
    # 1,000 x 2.50 + 500 x 10 USD per million
    assert body["cost"] == 0.0075
    assert body["pricing"].startswith("genai-prices@")
    assert body["pricing"].endswith(":openai/gpt-4o")


async def test_an_event_is_shown_with_its_rates(ada: Member) -> None:
    sent = call(
        cache_read_tokens=400,
        reasoning_tokens=100,
        project="search",
        tags={"team": "a"},
        metadata={"deep": [{"x": None}]},
        latency_ms=120.5,
        timestamp="2026-01-31T12:00:00+02:00",
        status="error",
        error_message="two\nlines",
    )
    tracked = (await ada.track(**sent)).json()
    shown = await ada.get(f"/api/events/{tracked['event_id']}")
    assert shown == {
        **tracked,
        "project": "search",
        "input_tokens": 1000,
        "cache_read_tokens": 400,
        "cache_write_tokens": 0,
        "cache_write_1h_tokens": 0,
        "output_tokens": 500,
        "reasoning_tokens": 100,
        "usage_detail": {},
        "latency_ms": 120.5,
        "status": "error",
        "error_message": "two\nlines",
        "tags": {"team": "a"},
        "metadata": {"deep": [{"x": None}]},
        "timestamp": "2026-01-31T10:00:00Z",
        "reservation_id": None,
        "unchecked": False,
        "corrected_at": None,
        "rates": {
            "input": 2.5,
            "cache_read": 1.25,
            "cache_write": 2.5,
            "cache_write_1h": 2.5,
            "output": 10,
            "reasoning": 10,
            "request": 0,
        },
    }
    # 600 x 2.50 + 400 x 1.25 + 500 x 10 USD per million
    assert shown["cost"] == 0.007


@pytest.mark.parametrize(
    ("provider", "response", "model", "input_tokens", "output_tokens", "cost"),
    [
        # 600 x 2.50 + 400 x 1.25 + 500 x 10
        ("openai", RESPONSES["OpenAI chat"], "gpt-4o-2024-08-06", 1000, 500, 0.007),
        ("openai", RESPONSES["OpenAI responses"], "gpt-4o", 1000, 500, 0.007),
        # 600 x 3 + 300 x 0.30 + 60 x 3.75 + 40 x 6 + 500 x 15
        ("anthropic", RESPONSES["Anthropic"], "claude-sonnet-4-5-20250929", 1000, 500, 0.009855),
        # 600 x 0.30 + 400 x 0.03 + 500 x 2.50
        ("google", RESPONSES["Gemini"], "gemini-2.5-flash", 1000, 500, 0.001442),
        # 1000 x 0.15 + 500 x 0.60
        ("mistral", RESPONSES["Mistral"], "mistral-small-latest", 1000, 500, 0.00045),
        # 1000 x 2.50 + 500 x 10, of the billed units
        ("cohere", RESPONSES["Cohere"], "command-a", 1000, 500, 0.0075),
    ],
)
async def test_the_response_of_a_provider_is_read(
    ada: Member,
    provider: str,
    response: dict[str, Any],
    model: str,
    input_tokens: int,
    output_tokens: int,
    cost: float,
) -> None:
    event = {"provider": provider, "response": response}
    if provider == "cohere":
        event["model"] = model
    tracked = await ada.request("POST", "/api/events/track", json=event)
    assert tracked.status_code == 201, tracked.text
    assert tracked.json()["cost"] == cost
    shown = await ada.get(f"/api/events/{tracked.json()['event_id']}")
    assert (shown["model"], shown["input_tokens"], shown["output_tokens"]) == (model, input_tokens, output_tokens)
    assert "secret" not in str(shown)


async def test_tokens_of_other_kinds_are_kept_and_priced(ada: Member) -> None:
    spoken = {
        "model": "gpt-audio",
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 500,
            "prompt_tokens_details": {"audio_tokens": 600, "text_tokens": 400},
            "completion_tokens_details": {"audio_tokens": 200, "text_tokens": 300},
        },
    }
    tracked = (await ada.request("POST", "/api/events/track", json={"provider": "openai", "response": spoken})).json()
    # 400 x 2.50 + 600 x 32 + 300 x 10 + 200 x 64
    assert tracked["cost"] == 0.036
    shown = await ada.get(f"/api/events/{tracked['event_id']}")
    assert shown["usage_detail"]["input_audio_tokens"] == 600
    assert shown["rates"] is None


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        ({"provider": "openai", "response": {"model": "gpt-4o"}}, "has no readable usage"),
        ({"provider": "no-vendor", "response": RESPONSES["OpenAI chat"]}, "are not supported"),
        ({"provider": "cohere", "response": RESPONSES["Cohere"]}, "does not name a model"),
        ({"provider": "openai", "response": RESPONSES["OpenAI chat"], "input_tokens": 5}, "not both"),
        (
            {"provider": "openai", "response": RESPONSES["OpenAI chat"], "api_flavor": "smoke signals"},
            "has no readable usage",
        ),
        (
            {"provider": "openai", "response": {"model": "m" * 300, "usage": RESPONSES["Mistral"]["usage"]}},
            "is not valid",
        ),
        (
            {"provider": "openai", "response": {"model": "gpt-4o", "usage": {"prompt_tokens": 1.5}}},
            "must be an integer",
        ),
        (
            {
                "provider": "openai",
                "response": {
                    "model": "gpt-4o",
                    "usage": {
                        "prompt_tokens": 10,
                        "completion_tokens": 1,
                        "prompt_tokens_details": {"cached_tokens": 11},
                    },
                },
            },
            "larger than input_tokens",
        ),
    ],
)
async def test_an_invalid_response_is_refused(ada: Member, event: dict[str, Any], detail: str) -> None:
    problem = assert_problem(await ada.request("POST", "/api/events/track", json=event), 422)
    assert detail in problem["detail"]


async def test_a_call_without_a_known_price_is_unpriced_and_not_free(ada: Member) -> None:
    for event in (
        {"provider": "no-vendor", "model": "gpt-4o"},
        {"model": "gpt-4o-banana"},
        {"provider": "github-copilot", "model": "gpt-4o"},
    ):
        tracked = (await ada.track(**event)).json()
        assert tracked["cost"] is None
        assert tracked["pricing"] == "unpriced"
    free = (await ada.track(provider="openrouter", model="deepseek/deepseek-r1:free")).json()
    assert free["cost"] == 0
    summary = await ada.get("/api/costs/summary")
    assert (summary["call_count"], summary["unpriced_calls"], summary["total_cost"]) == (4, 3, 0)


@pytest.mark.both_roads
async def test_a_cost_from_the_caller_is_stored_with_every_digit(ada: Member) -> None:
    body = b'{"provider":"openai","model":"gpt-4o","input_tokens":1,"output_tokens":1,"cost":1234567.123456789012}'
    response = await ada.request(
        "POST", "/api/events/track", content=body, headers={"Content-Type": "application/json"}
    )
    assert b'"cost":1234567.123456789012,' in response.content
    assert response.json()["pricing"] == "caller"
    listed = await ada.request("GET", "/api/events")
    assert b'"cost":1234567.123456789012,' in listed.content
    summary = await ada.request("GET", "/api/costs/summary")
    assert b'"total_cost":1234567.123456789012,' in summary.content


@pytest.mark.both_roads
async def test_small_costs_are_plain_numbers(ada: Member) -> None:
    response = await ada.track(input_tokens=0, output_tokens=0, cost="0.00000012345")
    assert b'"cost":0.00000012345,' in response.content


@pytest.mark.both_roads
async def test_sending_again_changes_nothing(ada: Member) -> None:
    first = await ada.track(id="call-1")
    again = await ada.track(id="call-1", input_tokens=999_999)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert (await ada.get("/api/costs/summary"))["total_cost"] == 0.0075
    assert (await ada.get("/api/events/call-1"))["event_id"] == first.json()["event_id"]


async def test_an_idempotency_key_makes_a_request_repeatable(ada: Member) -> None:
    headers = {"Idempotency-Key": "request-1"}
    first = await ada.request("POST", "/api/events/track", json=call(), headers=headers)
    again = await ada.request("POST", "/api/events/track", json=call(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    batch = {"events": [call(), call()]}
    results = [(await ada.request("POST", "/api/events/batch", json=batch, headers=headers)).json() for _ in range(2)]
    assert [result["recorded"] for result in results] == [2, 0]
    assert (await ada.get("/api/costs/summary"))["call_count"] == 3
    for key in ("", "k" * 129, "tab\t"):
        wrong = await ada.request("POST", "/api/events/track", json=call(), headers={"Idempotency-Key": key})
        assert_problem(wrong, 422)


async def test_a_uuid_from_the_caller_is_the_id_of_the_event(ada: Member) -> None:
    own = str(uuid4())
    assert (await ada.track(id=own)).json()["event_id"] == own


async def test_ids_belong_to_their_workspace(ada: Member, bob: Member) -> None:
    mine = await ada.track(id="call-1")
    theirs = await bob.track(id="call-1")
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert_problem(await bob.request("GET", f"/api/events/{(await ada.track()).json()['event_id']}"), 404)


@pytest.mark.both_roads
async def test_a_batch_keeps_the_good_events(ada: Member) -> None:
    result = await ada.batch(
        call(id="a"), {"provider": "openai"}, call(id="a"), call(input_tokens=-1), "nonsense", call(id="b")
    )
    assert (result["recorded"], result["duplicates"]) == (2, 1)
    assert [rejection["index"] for rejection in result["rejected"]] == [1, 3, 4]
    assert "input_tokens" in result["rejected"][1]["detail"]
    assert (await ada.get("/api/costs/summary"))["total_cost"] == 0.015


@pytest.mark.both_roads
async def test_a_batch_has_at_most_a_thousand_events(ada: Member) -> None:
    assert (await ada.batch(*[call()] * 1000))["recorded"] == 1000
    assert_problem(await ada.request("POST", "/api/events/batch", json={"events": [call()] * 1001}), 422)
    assert_problem(await ada.request("POST", "/api/events/batch", json={"events": []}), 422)
    assert (await ada.get("/api/costs/summary"))["total_cost"] == 7.5


@pytest.mark.both_roads
async def test_events_are_listed_newest_first_page_by_page(ada: Member) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    # Three have the same timestamp, so that a page can end between them.
    moments = [start + timedelta(minutes=minute) for minute in (0, 1, 2, 2, 2, 3, 4)]
    await ada.batch(*[call(timestamp=moment.isoformat()) for moment in moments])
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    for count in (3, 3, 1):
        page = await ada.get("/api/events/", limit=3, **cursor)
        assert page["count"] == len(page["events"]) == count
        seen += page["events"]
        cursor = {"cursor": page["next_cursor"]}
    assert cursor == {"cursor": None}
    times = [event["timestamp"] for event in seen]
    assert times == sorted(times, reverse=True)
    assert len({event["event_id"] for event in seen}) == 7


async def test_events_are_filtered(ada: Member, bob: Member) -> None:
    await ada.track(project="search", tags={"team": "a"}, timestamp="2026-01-01T00:00:00Z")
    await ada.track(model="gpt-4o-mini", status="error", tags={"team": "b"}, timestamp="2026-01-02T00:00:00Z")
    await ada.track(provider="anthropic", model="claude-sonnet-4-5", timestamp="2026-01-03T00:00:00Z")
    for query, count in (
        ({}, 3),
        ({"project": "search"}, 1),
        ({"model": "gpt-4o-mini"}, 1),
        ({"provider": "OpenAI"}, 2),
        ({"status": "error"}, 1),
        ({"tag": "team:b"}, 1),
        ({"tag": "team:c"}, 0),
        ({"start": "2026-01-02T00:00:00Z"}, 2),
        ({"end": "2026-01-02T00:00:00Z"}, 1),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-03T00:00:00Z", "provider": "openai"}, 1),
    ):
        assert (await ada.get("/api/events", **query))["count"] == count, query
    assert (await bob.get("/api/events"))["count"] == 0


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "nonsense"},
        {"cursor": "WyJhIiwiYiJd"},
        {"cursor": "W10"},
        {"cursor": "é"},
        {"tag": "team"},
        {"status": "maybe"},
        {"start": "yesterday"},
        {"start": "2026-01-01T00:00:00"},
        {"start": "1767225600"},
        {"model": "a\x00b"},
    ],
)
async def test_a_list_with_bad_parameters_is_refused(ada: Member, query: dict[str, Any]) -> None:
    assert_problem(await ada.request("GET", "/api/events", params=query), 422)


@pytest.mark.both_roads
async def test_an_unknown_event_is_not_found(ada: Member) -> None:
    assert_problem(await ada.request("GET", f"/api/events/{uuid4()}"), 404, "Event not found")


async def test_both_slashes_answer_directly(client: httpx.AsyncClient, ada: Member) -> None:
    for path in ("/api/events", "/api/events/"):
        response = await client.get(path, headers=ada.headers, follow_redirects=False)
        assert response.status_code == 200
