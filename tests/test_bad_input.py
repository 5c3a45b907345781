"""Bad input gets a clear error, is never a 500, and is not stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.team import Member, assert_problem, call
from utils import json

JSON = {"Content-Type": "application/json"}


def deep(levels: int) -> dict[str, Any]:
    """Nested objects."""
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"a": inner}
    return inner


WRONG: list[dict[str, Any]] = [
    {"input_tokens": "12"},
    {"input_tokens": 1.5},
    {"input_tokens": True},
    {"input_tokens": None},
    {"input_tokens": -1},
    {"input_tokens": 1_000_000_001},
    {"output_tokens": 2**63},
    {"cache_read_tokens": 1001},
    {"cache_read_tokens": 600, "cache_write_tokens": 300, "cache_write_1h_tokens": 101},
    {"reasoning_tokens": 501},
    {"cost": -0.01},
    {"cost": "abc"},
    {"cost": "NaN"},
    {"cost": "Infinity"},
    {"cost": 10_000_001},
    {"cost": "0.0000000000000001"},
    {"latency_ms": -1},
    {"latency_ms": 86_400_001},
    {"latency_ms": "fast"},
    {"status": "maybe"},
    {"provider": ""},
    {"provider": "  "},
    {"provider": "p" * 65},
    {"provider": 7},
    {"model": ""},
    {"model": "m" * 10_000},
    {"model": "nul\x00"},
    {"model": "escape\x1b[31m"},
    {"model": None},
    {"project": ""},
    {"project": "tab\t"},
    {"error_message": "nul\x00"},
    {"error_message": "m" * 2001},
    {"tags": {f"k{number}": "v" for number in range(9)}},
    {"tags": {"": "v"}},
    {"tags": {"k": ""}},
    {"tags": {"k" * 65: "v"}},
    {"tags": {"k": "v" * 129}},
    {"tags": {"k": "nul\x00"}},
    {"tags": {"k": 7}},
    {"tags": ["k"]},
    {"metadata": {"k": "x" * 17_000}},
    {"metadata": {"k": "nul\x00"}},
    {"metadata": {"nul\x00": 1}},
    {"metadata": "text"},
    {"metadata": {"n": 2**80}},
    {"timestamp": "yesterday"},
    {"timestamp": "2026-01-31T12:00:00"},
    {"timestamp": 1_767_225_600},
    {"timestamp": "1999-12-31T23:59:59Z"},
    {"timestamp": "9999-12-31T23:59:59Z"},
    {"timestamp": "2099-12-31T23:59:59Z"},
    {"id": ""},
    {"id": "i" * 129},
    {"id": "nul\x00"},
    {"surprise": 1},
    {"response": "text"},
    {"api_flavor": "nul\x00", "response": {}},
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_event_with_bad_input_is_refused_and_nothing_stored(ada: Member, wrong: dict[str, Any]) -> None:
    problem = assert_problem(await ada.track(**wrong), 422)
    assert problem["detail"]
    rejected = await ada.batch({**call(), **wrong})
    assert rejected["recorded"] == 0
    assert rejected["rejected"][0]["detail"]
    assert (await ada.get("/api/costs/summary"))["call_count"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"provider":"openai","model":"gpt-4o","input_tokens":1,"output_tokens":1,"latency_ms":NaN}',
        b'{"provider":"openai","model":"gpt-4o","input_tokens":1,"output_tokens":1,"cost":Infinity}',
        b'{"provider":"openai","model":"\\ud800","input_tokens":1,"output_tokens":1}',
        b'{"provider":"openai","model":"gpt-4o","model":"gpt-4","input_tokens":1,"output_tokens":1}',
        b'{"provider":"openai","model":"gpt-4o","input_tokens":' + b"1" * 5000 + b',"output_tokens":1}',
        b'{"provider":"openai","model":"gpt-4o","input_tokens":1,"output_tokens":1,"metadata":{"n":1e999999999}}',
        b'{"provider":"openai","model":"gpt-4o","input_tokens":1,"output_tokens":1,"cost":1e999999999}',
        b'{"provider":"openai","model":"gpt-4o","input_tokens":1,"output_tokens":1,"latency_ms":1e999999999}',
        b'{"metadata":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}",
        b"[" * 60_000,
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_a_body_that_is_not_a_json_object_is_refused(ada: Member, body: bytes) -> None:
    assert_problem(await ada.request("POST", "/api/events/track", content=body, headers=JSON), 422)
    assert (await ada.get("/api/costs/summary"))["call_count"] == 0


@pytest.mark.both_roads
async def test_metadata_may_be_nested_a_hundred_deep(ada: Member) -> None:
    tracked = await ada.track(metadata=deep(100))
    assert tracked.status_code == 201
    assert (await ada.get(f"/api/events/{tracked.json()['event_id']}"))["metadata"] == deep(100)


async def test_large_bodies_are_accepted_only_for_events(ada: Member, client: httpx.AsyncClient) -> None:
    for length, status in ((64 * 1024, 422), (64 * 1024 + 1, 413)):
        body = b'{"email":"a@example.com"}'.ljust(length)
        assert_problem(await client.post("/api/auth/login", content=body, headers=JSON), status)
    refused = await ada.request("POST", "/api/projects", content=b" " * 65 * 1024, headers=JSON)
    assert_problem(refused, 413, "The request body is larger than 64 KiB")
    assert (await ada.track(response={"usage": {"prompt_tokens": 1}, "text": "x" * 100_000})).status_code == 422


@pytest.mark.parametrize("dense", [b"[" + b"[]," * 65_535 + b"1]", b"{" + b'"\\"":1,' * 65_536 + b'"b":1}'])
@pytest.mark.parametrize("path", ["/api/events/track", "/api/events/batch"])
async def test_a_body_with_too_many_values_is_not_parsed(ada: Member, path: str, dense: bytes) -> None:
    refused = await ada.request("POST", path, content=dense, headers=JSON)
    assert_problem(refused, 413, "The request body is too large: it has more than 65536 values")


async def test_brackets_and_commas_in_strings_are_not_counted_as_values(ada: Member) -> None:
    prose = [{**call(), "metadata": {"text": '[{,"\\' * 1_900}} for _ in range(50)]
    assert (await ada.batch(*prose))["recorded"] == 50


def test_a_body_of_only_names_and_strings_is_within_the_limit() -> None:
    assert len(json.loads(json.dumps({f"{n}": ",," for n in range(65_535)}))) == 65_535


@pytest.mark.both_roads
async def test_metadata_of_too_many_values_is_refused_as_too_large(ada: Member) -> None:
    too_many: list[dict[str, Any]] = [
        {"a": [[1] * 9] * 1_000},
        {f"{n}": {} for n in range(8_193)},
        {"a": [1] * 8_190 + [[]]},
    ]
    for metadata in too_many:
        refused = await ada.track(metadata=metadata)
        assert_problem(refused, 422, "body.metadata: must be at most 16384 bytes as JSON")
    assert (await ada.track(metadata={"a": [1] * 8_188})).status_code == 201


async def test_too_many_errors_are_summarised_in_one_sentence(ada: Member) -> None:
    few = (await ada.track(**{f"unknown{n}": 1 for n in range(999)})).json()
    assert len(few["errors"]) == 999
    many = await ada.track(**{f"unknown{n}": 1 for n in range(1_001)})
    assert_problem(many, 422, "body: The body has more than 1000 errors")
    assert len(many.json()["errors"]) == 1


async def test_a_body_over_a_mebibyte_is_refused_also_without_its_length(ada: Member) -> None:
    large = b'{"x":"' + b"a" * 1024 * 1024 + b'"}'
    assert_problem(await ada.request("POST", "/api/events/track", content=large, headers=JSON), 413)

    read = []

    async def chunks() -> Any:
        for number in range(20):
            read.append(number)
            yield large[:100_000]

    assert_problem(await ada.request("POST", "/api/events/track", content=chunks(), headers=JSON), 413)
    assert len(read) == 11


async def test_another_content_type_is_refused(ada: Member) -> None:
    form = await ada.request("POST", "/api/events/track", data={"provider": "openai"})
    assert_problem(form, 422)


async def test_a_timestamp_may_be_at_most_a_day_ahead(ada: Member) -> None:
    now = datetime.now(UTC)
    assert (await ada.track(timestamp=(now + timedelta(hours=23)).isoformat())).status_code == 201
    assert_problem(await ada.track(timestamp=(now + timedelta(hours=25)).isoformat()), 422)


SQL = "'; drop table public.events; --"


@pytest.mark.both_roads
async def test_sql_in_every_string_is_only_text(ada: Member) -> None:
    tracked = await ada.track(
        provider=SQL,
        model=SQL,
        project=SQL,
        tags={SQL: SQL},
        metadata={SQL: SQL},
        error_message=SQL,
        status="error",
        id=SQL,
    )
    assert tracked.status_code == 201
    assert (await ada.get("/api/events", model=SQL, provider=SQL, project=SQL, tag=f"{SQL}:{SQL}"))["count"] == 1
    assert (await ada.get("/api/costs/by-tag", key=SQL))["tag_costs"][0]["value"] == SQL
    assert_problem(await ada.request("GET", "/api/costs/summary", params={"tz": SQL}), 422)
    budget = await ada.request("POST", "/api/budgets", json={"limit": 1, "name": SQL})
    assert budget.json()["name"] == SQL
    assert_problem(await ada.request("DELETE", "/api/budgets/" + "x'%20or%201=1"), 404)
    login = await ada.request("POST", "/api/auth/login", json={"email": "a@b.c'--", "password": SQL})
    assert_problem(login, 401)


@pytest.mark.both_roads
async def test_unicode_is_stored_unchanged(ada: Member) -> None:
    text = "žluťoučký 漢字 🎉 \u200f\u2028"
    tracked = await ada.track(project=text, tags={text: text}, metadata={text: [text]}, error_message=text)
    shown = await ada.get(f"/api/events/{tracked.json()['event_id']}")
    assert (shown["project"], shown["tags"], shown["metadata"]) == (text, {text: text}, {text: [text]})


@pytest.mark.parametrize(
    "query",
    [
        {"days": 0},
        {"days": 366},
        {"days": "many"},
        {"tz": "Mars/Olympus"},
        {"tz": "../../etc/passwd"},
        {"tz": ""},
        {"tz": "Europe"},
        {"start": "yesterday"},
        {"start": "2026-01-31T00:00:00"},
        {"start": "0001-01-01"},
        {"start": "9999-12-31"},
        {"end": "2026-01-01"},
        {"start": "2026-01-02", "end": "2026-01-01"},
        {"start": "2024-01-01", "end": "2026-01-01"},
        {"project": "search"},
    ],
    ids=str,
)
async def test_an_invalid_range_is_refused(ada: Member, query: dict[str, Any]) -> None:
    assert_problem(await ada.request("GET", "/api/costs/summary", params=query), 422)


async def test_wrong_paths_and_methods(client: httpx.AsyncClient, ada: Member) -> None:
    assert_problem(await ada.request("GET", "/api/nothing"), 404)
    assert_problem(await client.get("/api/nothing"), 401)
    assert_problem(await ada.request("DELETE", "/api/events"), 405)
    assert_problem(await ada.request("GET", "/api//events"), 404)


async def test_every_answer_has_a_request_id_and_the_security_headers(client: httpx.AsyncClient, ada: Member) -> None:
    own = await client.get("/api/health", headers={"X-Request-ID": "my-request.1"})
    assert own.headers["x-request-id"] == "my-request.1"
    for insane in ("a b", "x" * 129, "<script>"):
        assert (await client.get("/api/health", headers={"X-Request-ID": insane})).headers["x-request-id"] != insane
    for response in (own, await ada.request("GET", "/api/nothing"), await client.get("/api/events")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"
        assert "content-security-policy" in response.headers
