"""LiteLLM: what its generic API callback and its OTLP exporter send becomes events, once each.

`litellm_payloads.json` and `litellm_traces.pb` are what LiteLLM 1.109.1 sent of the same four calls, made at
`tests.support.vendors`: one of OpenAI, one as a stream, one of Anthropic, and one that was refused. Prices of models,
traces of the program and hidden parameters were taken out.
"""

import json
import logging
from typing import Any

import httpx
import pytest

from tests.support.data import DATA
from tests.support.team import Caller, Member, assert_problem, new_api_key

RECORDED: list[dict[str, Any]] = json.loads((DATA / "litellm_payloads.json").read_text())
TRACES = (DATA / "litellm_traces.pb").read_bytes()
# 0.005615 twice for OpenAI, 0.0075 for Anthropic.
TOTAL = 0.01873


def payload(**changes: Any) -> dict[str, Any]:
    """The record of a call to OpenAI."""
    return {**RECORDED[0], "id": "chatcmpl-9f8c2a44d2f34f0a", **changes}


async def post(caller: Caller, body: Any, **headers: str) -> Any:
    """The answer of the endpoint for LiteLLM; it must succeed."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    response = await caller.request("POST", "/api/ingest/litellm", content=content, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_calls_reported_in_both_ways_are_counted_once(ada: Member) -> None:
    application = await new_api_key(ada)
    assert await post(application, RECORDED) == {"recorded": 4, "duplicates": 0, "rejected": []}
    before = [(event["event_id"], event["cost"]) for event in await ada.events()]
    headers = {"Content-Type": "application/x-protobuf"}
    traces = await application.request("POST", "/v1/traces", content=TRACES, headers=headers)
    assert (traces.status_code, traces.content) == (200, b"")
    assert await post(application, RECORDED) == {"recorded": 0, "duplicates": 4, "rejected": []}
    assert [(event["event_id"], event["cost"]) for event in await ada.events()] == before
    summary = await ada.get("/api/costs/summary", start="2026-11-21", end="2026-11-21")
    assert (summary["call_count"], summary["total_cost"], summary["unpriced_calls"]) == (4, TOTAL, 0)


async def test_the_traces_of_litellm_are_sufficient(ada: Member) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    for _ in range(2):
        answer = await ada.request("POST", "/v1/traces", content=TRACES, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
    summary = await ada.get("/api/costs/summary", start="2026-11-21", end="2026-11-21")
    assert (summary["call_count"], summary["total_cost"], summary["unpriced_calls"]) == (4, TOTAL, 0)


async def test_a_record_has_every_field_of_an_event(ada: Member) -> None:
    await post(ada, RECORDED)
    events = {(event["provider"], event["status"], len(event["tags"])): event for event in await ada.events()}
    openai, anthropic = events["openai", "success", 3], events["anthropic", "success", 1]
    assert openai["tags"] == {"key": "k", "team": "search", "prod": "true"}
    assert openai["model"] == "gpt-4o-2024-08-06"
    assert openai["latency_ms"] == 1185.407
    assert openai["timestamp"] == "2026-11-21T09:46:48.885017Z"
    counts = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost")
    assert [openai[name] for name in counts] == [2006, 1920, 0, 300, 64, 0.005615]
    assert [anthropic[name] for name in counts] == [3050, 2000, 1000, 200, 0, 0.0075]
    refused = events["openai", "error", 0]
    assert (refused["error_message"], refused["cost"], refused["total_tokens"]) == ("RateLimitError", 0, 0)


async def test_a_single_record_and_json_lines_are_accepted(ada: Member) -> None:
    assert (await post(ada, RECORDED[0]))["recorded"] == 1
    lines = "\n".join(json.dumps(each) for each in RECORDED).encode()
    assert await post(ada, lines) == {"recorded": 3, "duplicates": 1, "rejected": []}
    assert await post(ada, []) == {"recorded": 0, "duplicates": 0, "rejected": []}


async def test_the_cost_from_litellm_is_used_where_none_can_be_calculated(ada: Member) -> None:
    def named(number: int, **changes: Any) -> dict[str, Any]:
        return payload(id=f"chatcmpl-9f8c2a44d2f34f0{number}", response=None, request_tags=[f"n:{number}"], **changes)

    audio = {**RECORDED[0]["metadata"]["usage_object"], "completion_tokens_details": {"audio_tokens": 200}}
    none = {"prompt_tokens": 0, "completion_tokens": 0, "metadata": {}}
    answer = await post(
        ada,
        [
            named(0, response_cost=9.5),
            named(1, model="house-model", response_cost=0.0075000000000000006),
            named(2, model="house-model", response_cost=0.0),
            named(3, cache_hit=True, response_cost=0.0),
            named(4, metadata={"usage_object": audio}, response_cost=0.012),
            named(5, model="dall-e-3", response_cost=0.04, **none),
            named(6, call_type="alist_files", response_cost=0.0, **none),
        ],
    )
    assert answer == {"recorded": 6, "duplicates": 0, "rejected": []}
    events = {event["tags"]["n"]: event for event in await ada.events()}
    assert [events[n]["cost"] for n in "012345"] == [0.005615, 0.0075, None, 0, 0.012, 0.04]
    assert [events[n]["pricing"] for n in "12345"] == ["caller", "unpriced", "caller", "caller", "caller"]


async def test_the_model_is_what_the_vendor_ran_and_the_group_is_a_tag(ada: Member) -> None:
    group = {"model_group": "fast", "response": {"model": "fast"}, "request_tags": [], "metadata": {}}
    bedrock = "bedrock/converse/anthropic.claude-sonnet-4-5-20250929-v1:0"
    answer = await post(
        ada,
        [
            payload(**group, model="openai/gpt-4o", response_cost=9.5),
            payload(**group, model=bedrock, id="chatcmpl-9f8c2a44d2f34f01", custom_llm_provider="bedrock"),
            payload(**group, model="openai/gpt-4o", id="chatcmpl-9f8c2a44d2f34f02", status="failure"),
        ],
    )
    assert (answer["recorded"], answer["rejected"]) == (3, [])
    events = await ada.events()
    assert {(event["provider"], event["model"], event["status"]) for event in events} == {
        ("openai", "gpt-4o", "success"),
        ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0", "success"),
        ("openai", "gpt-4o", "error"),
    }
    assert all(event["tags"] == {"model_group": "fast"} for event in events)
    # By the price list, and not by LiteLLM: 2,006 in and 300 out, at 2.50 and 10 USD a million, and at 3.30 and 16.50.
    assert {event["cost"] for event in events if event["status"] == "success"} == {0.008015, 0.0115698}


async def test_a_success_without_token_counts_is_rejected(ada: Member) -> None:
    stream = payload(prompt_tokens=0, completion_tokens=0, metadata={}, response_cost=0.0)
    rejected = (await post(ada, [stream, RECORDED[0]]))["rejected"]
    assert [(each["index"], each["detail"][:27]) for each in rejected] == [(0, "a call without token counts")]
    assert len(await ada.events()) == 1


async def test_an_answer_from_the_cache_does_not_have_the_id_of_the_call_that_was_paid_for(ada: Member) -> None:
    hit = payload(cache_hit=True, litellm_call_id="af967f6e-0a89-4146-9514-ab2551c94b0d", response_cost=0.0)
    assert (await post(ada, [payload(), hit, hit]))["duplicates"] == 1
    assert sorted(event["cost"] for event in await ada.events()) == [0, 0.005615]


async def test_records_go_to_the_project_of_the_key_and_valid_ones_are_stored(ada: Member) -> None:
    filed = payload(metadata={"user_api_key_project_alias": "search", "user_api_key_team_alias": "discovery"})
    answer = await post(
        ada,
        [
            filed,
            payload(id="chatcmpl-9f8c2a44d2f34f0b", model=None, response=None),
            payload(id="chatcmpl-9f8c2a44d2f34f0c", startTime="yesterday"),
            payload(id="chatcmpl-9f8c2a44d2f34f0d", request_tags=["User-Agent: curl", {"a": 1}, "tier:gold"]),
        ],
    )
    assert [each["index"] for each in answer["rejected"]] == [1, 2]
    assert "model" in answer["rejected"][0]["detail"]
    assert answer["rejected"][1]["detail"] == "startTime and endTime must be seconds since 1970"
    tagged = {event["project"]: event["tags"] for event in await ada.events()}
    assert tagged == {
        "search": {"team": "discovery", "prod": "true"},
        None: {"key": "k", "tier": "gold"},
    }
    await ada.request("POST", "/api/projects", json={"name": "mobile"})
    application = await new_api_key(ada, project="mobile")
    assert (await post(application, {**filed, "id": "chatcmpl-9f8c2a44d2f34f0e"}))["recorded"] == 1


async def test_unreadable_bodies_are_refused(ada: Member) -> None:
    for body in (b"", b"[", b"[1]", b"{} x", b'"text"', b"\xff", b"[" * 10_000, b'[{"id": 1'):
        assert_problem(await ada.request("POST", "/api/ingest/litellm", content=body), 400)
    assert_problem(await ada.request("POST", "/api/ingest/litellm", content=b"[" + b"{}," * 10_001 + b"{}]"), 400)


async def test_a_batch_of_the_size_that_litellm_sends_is_accepted(ada: Member) -> None:
    batch = [payload(id=f"chatcmpl-9f8c2a44d2f3{n:04}", messages="x" * 10_000) for n in range(512)]
    assert await post(ada, batch) == {"recorded": 512, "duplicates": 0, "rejected": []}
    too_large = b" " * (16 * 1024 * 1024 + 1)
    refused = await ada.request("POST", "/api/ingest/litellm", content=too_large)
    assert_problem(refused, 413, "The request body is larger than 16 MiB")


async def test_a_record_may_be_long_but_not_have_too_many_values(ada: Member) -> None:
    talkative = payload(id="chatcmpl-9f8c2a44d2f34f0d", messages=[{"role": "user", "content": ',[{"\\' * 50_000}])
    assert (await post(ada, [talkative]))["recorded"] == 1
    dense = payload(id="chatcmpl-9f8c2a44d2f34f0e", messages=[{}] * 10_001)
    refused = await ada.request("POST", "/api/ingest/litellm", json=[talkative, dense])
    assert_problem(refused, 413, "Record 1 is too large: it has more than 20000 values")
    dense = payload(id="chatcmpl-9f8c2a44d2f34f0e", messages=[{}] * 9_900)
    assert (await post(ada, [talkative, dense]))["recorded"] == 1


async def test_prompts_and_answers_are_neither_stored_nor_logged(ada: Member, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert "CANARY" in json.dumps(RECORDED)
    await post(ada, RECORDED)
    for event in await ada.events():
        assert "CANARY" not in str(await ada.get(f"/api/events/{event['event_id']}"))
    assert "CANARY" not in caplog.text


async def test_sending_records_needs_permission(client: httpx.AsyncClient, ada: Member, bob: Member) -> None:
    assert_problem(await client.post("/api/ingest/litellm", json=RECORDED), 401)
    await post(ada, RECORDED)
    assert await post(bob, RECORDED) == {"recorded": 4, "duplicates": 0, "rejected": []}
