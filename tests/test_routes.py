"""All routes: they declare permissions, old paths lead to new ones, and fast paths answer like the others."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import main
from config import Settings
from routes import OLD_PATHS, ROUTES, limit_of
from routes import fast as fast_paths
from routes.fast import FastRoute
from routes.router import Router
from tests.conftest import client_of, running
from tests.support.team import Member, assert_problem, call, new_api_key, sign_up
from utils.logs import RequestRecord

FAST = {route.path: route for route in ROUTES if isinstance(route, FastRoute)}
OBSERVED = {"model": "gpt-4o", "prompt_tokens": 1, "completion_tokens": 1, "latency_ms": 1, "status": "success"}
GOOD: dict[str, dict[str, Any]] = {
    "/api/events/track": call(id="one"),
    "/api/events/batch": {"events": [call(id="one"), {"model": "gpt-4o"}]},
    "/api/llm/log-call": OBSERVED,
}
JSON = {"Content-Type": "application/json"}
BAD: list[dict[str, Any]] = [
    {},
    {"content": b"", "headers": JSON},
    {"content": b"null", "headers": JSON},
    {"content": b"[]", "headers": JSON},
    {"content": b"1.5", "headers": JSON},
    {"content": b'"text"', "headers": JSON},
    {"content": b"{", "headers": JSON},
    {"content": b'{"model":NaN}', "headers": JSON},
    {"content": b"\xff", "headers": JSON},
    {"content": b"{}", "headers": {"Content-Type": "application/problem+json; charset=utf-8"}},
    {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
    {"content": b"{}"},
    {"data": {"model": "gpt-4o"}},
    {"json": {"model": 1, "input_tokens": "many", "surprise": {"a": 1}}},
    {"json": {f"unknown{n}": 1 for n in range(1_001)}},
    {"json": {}, "params": {"surprise": "1"}},
    {"json": {}, "headers": {"Idempotency-Key": ""}},
    {"content": b" " * (1024 * 1024 + 1), "headers": JSON},
]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans of applications that are made from now on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(main, "tracer_provider", lambda version: provider)
    return exporter


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_route_that_writes_without_a_permission_fails_at_import(method: str) -> None:
    router = Router("/api/things", "things")
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'needs'"):
        getattr(router, method)("", summary="Change things")
    assert not router.routes


def test_paths_that_the_middleware_looks_up_have_no_parameters() -> None:
    found = [route.path for route in ROUTES if route.needs == "nothing" or route.body_limit is not None]
    assert found
    assert not [path for path in found if "{" in path]


def test_what_records_calls_or_checks_budgets_is_not_limited_by_requests() -> None:
    found = {
        (method, route.path): limit_of(method, route.path.replace("{reservation_id}", "1"))
        for route in ROUTES
        for method in route.methods or ()
        if route.needs == "events:write"
    }
    guard = {("POST", "/api/budgets/check"), ("POST", "/api/budgets/reservations")}
    guard.add(("DELETE", "/api/budgets/reservations/{reservation_id}"))
    assert {route for route, limit in found.items() if limit == "guard"} == guard
    assert {limit for route, limit in found.items() if route not in guard} == {"ingest"}
    assert limit_of("GET", "/api/events") == limit_of("GET", "/no/such/path") == "requests"


@pytest.mark.parametrize("path", ["/api/settings", "/api/projects/{id}"])
async def test_a_decimal_is_not_a_body(path: str, ada: Member) -> None:
    project = (await ada.request("POST", "/api/projects", json={"name": "search"})).json()
    method = "PUT" if path.endswith("settings") else "PATCH"
    refused = await ada.request(method, path.format_map(project), content=b"1.5", headers=JSON)
    assert_problem(refused, 422)
    assert refused.json()["errors"][0]["type"] == "model_type"


# Old paths


@pytest.mark.parametrize("path", sorted(OLD_PATHS))
async def test_an_old_path_answers_like_the_new_one(path: str, ada: Member) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        old, new = [await ada.request(method, p, json={}) for p in (f"{path}/", f"/api{path}")]
        assert (old.status_code, old.headers.get("allow")) == (new.status_code, new.headers.get("allow"))
        assert comparable(old) == comparable(new)


async def test_an_old_path_is_counted_and_logged_as_the_new_one(
    client: httpx.AsyncClient, ada: Member, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "llmlab.requests")
    large = await ada.request("POST", "/llm/log-call", json={**OBSERVED, "error_message": "m" * 70_000})
    assert large.status_code == 422
    before = await counted(client, "/api/llm/models")
    assert await ada.get("/llm/models") == await ada.get("/api/llm/models")
    assert await counted(client, "/api/llm/models") == before + 2
    assert await counted(client, "/llm/models") == 0
    paths = [record.request["path"] for record in caplog.records if isinstance(record, RequestRecord)]
    assert paths.count("/api/llm/models") == 2
    assert "/llm/models" not in paths


async def test_a_similar_path_is_not_an_old_path(ada: Member) -> None:
    for path in ("/settings/policy", "/metrics", "/auth/me", "/costs/summary", "/feedback/one"):
        assert (await ada.request("GET", path)).status_code == 404


async def test_the_span_of_an_old_path_is_named_after_the_new_one(
    settings: Settings, spans: InMemorySpanExporter
) -> None:
    async with running(settings) as app, client_of(app) as client:
        await (await sign_up(client, "Ada")).get("/metrics/summary")
    assert {"GET /api/metrics/summary"} == {name for name in names(spans) if "/" in name and "metrics" in name}


# Fast paths


def test_three_paths_are_fast() -> None:
    assert FAST.keys() == GOOD.keys()


@pytest.mark.parametrize("path", FAST)
async def test_a_fast_path_answers_like_any_other_also_with_tracing(
    path: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    fast = await asked(settings, path)
    with monkeypatch.context() as patched:
        patched.setattr(fast_paths, "FastPathMiddleware", lambda app, routes: app)
        assert await asked(settings, path) == fast
    assert [status for status, _ in fast[:2]] == ([201, 200] if path == "/api/events/track" else [200, 200])
    assert {status for status, _ in fast[2:]} == ({403, 413, 422})
    spans: InMemorySpanExporter = request.getfixturevalue("spans")
    assert await asked(settings, path) == fast
    ours = [span for span in spans.get_finished_spans() if span.name == f"POST {path}"]
    # A body that is refused by its length has reached no route.
    assert len(ours) == len(fast) - 1
    assert [route_of(span) for span in ours] == [path] * len(ours)
    writes = [span for span in spans.get_finished_spans() if span.name == "record_events"]
    assert writes
    assert {span.parent.span_id for span in writes if span.parent} <= {span.context.span_id for span in ours}


async def asked(settings: Settings, path: str) -> list[tuple[int, Any]]:
    """The status and the body of every answer: to a good body twice, to the bad ones, and to a key that only reads."""
    async with running(settings) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        reader = await new_api_key(ada, scopes=["read"])
        answers = [await ada.request("POST", path, json=GOOD[path]) for _ in range(2)]
        answers += [await ada.request("POST", path, **bad) for bad in BAD]
        answers.append(await reader.request("POST", path, json=GOOD[path]))
    return [(answer.status_code, comparable(answer)) for answer in answers]


def comparable(answer: httpx.Response) -> Any:
    """The body without the parts that differ each time."""
    if not answer.content:
        return None
    differs = ("request_id", "event_id", "user_id", "tracked_at")
    return without(json.loads(answer.content), differs)


def without(value: Any, names: tuple[str, ...]) -> Any:
    """JSON without the members of these names."""
    if isinstance(value, dict):
        return {name: without(member, names) for name, member in value.items() if name not in names}
    return [without(element, names) for element in value] if isinstance(value, list) else value


async def counted(client: httpx.AsyncClient, route: str) -> int:
    """The number of requests for a route that the server has counted."""
    text = (await client.get("/metrics/prometheus", headers={"Host": "127.0.0.1"})).text
    label = f'route="{route}"'
    lines: Iterator[str] = (line for line in text.splitlines() if "_count{" in line and label in line)
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


def names(spans: InMemorySpanExporter) -> list[str]:
    """The names of the spans so far."""
    return [span.name for span in spans.get_finished_spans()]


def route_of(span: ReadableSpan) -> Any:
    """The route of a span."""
    return (span.attributes or {})["http.route"]
