"""Traces of OpenTelemetry: the model calls among their spans become events, once each."""

import asyncio
import gzip
import logging
import subprocess
import sys
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)

from providers.formats import Counts, Span, parse_call, wanted
from tests.support.data import cases
from tests.support.otlp import (
    CHAT,
    CHAT_COST,
    PROTOBUF,
    TRACE,
    attributes_of,
    in_protobuf,
    message_of,
    request_of,
    span,
)
from tests.support.product import PATIENCE, ROOT, Server, environment
from tests.support.team import PASSWORD, Caller, Member, assert_problem, new_api_key, new_email
from tests.support.vendors import Vendors

ATTRIBUTES = cases("otlp_attributes.json")


async def send(caller: Caller, request: dict[str, Any]) -> Any:
    """The answer to a request in JSON; it must succeed."""
    response = await caller.request("POST", "/v1/traces", json=request)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


# The protocol


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("form", ["protobuf", "json"])
@pytest.mark.both_roads
async def test_a_call_is_the_same_in_each_encoding(ada: Member, form: str, encoding: str) -> None:
    request = request_of(
        span(1, CHAT), service__name="search", deployment__environment__name="production", host__name="web-17"
    )
    body = in_protobuf(request) if form == "protobuf" else httpx.Request("POST", "http://x", json=request).content
    media_type = PROTOBUF if form == "protobuf" else "application/json"
    headers = {"Content-Type": media_type} | ({"Content-Encoding": encoding} if encoding else {})
    content = gzip.compress(body) if encoding else body
    for path in ("/v1/traces", "/v1/traces/"):
        response = await ada.request("POST", path, content=content, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (200, media_type)
        assert response.content == (b"" if form == "protobuf" else b"{}")
    (event,) = await ada.events()
    assert {name: event[name] for name in ("provider", "model", "project", "tags", "status", "metadata")} == {
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "project": "search",
        "tags": {"environment": "production", "service": "search"},
        "status": "success",
        "metadata": {"trace_id": TRACE, "span_id": f"{1:016x}", "scope": "a scope"},
    }
    assert (event["input_tokens"], event["output_tokens"], event["cache_read_tokens"]) == (2006, 300, 1920)
    assert (event["cost"], event["latency_ms"]) == (CHAT_COST, 840.5)
    assert event["timestamp"] == "2026-09-21T14:13:20Z"


async def test_an_empty_request_is_a_success(ada: Member) -> None:
    assert await send(ada, {}) == {}
    assert await send(ada, {"resourceSpans": None, "unknown": [1, {"a": None}]}) == {}
    response = await ada.request("POST", "/v1/traces", content=b"", headers={"Content-Type": PROTOBUF})
    assert (response.status_code, response.content) == (200, b"")


async def test_valid_spans_are_stored_and_the_others_counted(ada: Member) -> None:
    request = request_of(
        span(1, CHAT),
        span(2, {**CHAT, "gen_ai.usage.output_tokens": 2_000_000_000}),
        span(3, {key: value for key, value in CHAT.items() if "usage" not in key}),
        span(4, CHAT, startTimeUnixNano="4102444800000000000", endTimeUnixNano="4102444800000000000"),
        span(0, CHAT),
        span(6, {"http.request.method": "POST"}),
    )
    answer = (await send(ada, request))["partialSuccess"]
    assert answer["rejectedSpans"] == "4"
    for said in ("output_tokens", "without token counts", "more than a day in the future", "without a trace id"):
        assert said in answer["errorMessage"]
    response = await ada.request("POST", "/v1/traces", content=in_protobuf(request), headers={"Content-Type": PROTOBUF})
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (partial.rejected_spans, partial.error_message) == (4, answer["errorMessage"])
    assert len(await ada.events()) == 1


@pytest.mark.parametrize("media_type", [PROTOBUF, "application/json"])
async def test_errors_have_the_encoding_of_the_request(ada: Member, client: httpx.AsyncClient, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    anonymous = await client.post("/v1/traces", content=b"", headers=headers)
    assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, "Bearer")
    assert "Authorization" in message_of(anonymous)
    for body in (
        b"\x0a\x05ab",
        b"{",
        b"\xff",
        b"\x0b",
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [3]}]}]}',
        b"[]",
    ):
        refused = await ada.request("POST", "/v1/traces", content=body, headers=headers)
        assert refused.status_code == 400, body
        assert "is not an ExportTraceServiceRequest" in message_of(refused)
    gzipped = {**headers, "Content-Encoding": "gzip"}
    for body in (b"no gzip", gzip.compress(b"\x0a\x00")[:-9]):
        refused = await ada.request("POST", "/v1/traces", content=body, headers=gzipped)
        assert refused.status_code == 400
    bomb = gzip.compress(bytes(16 * 1024 * 1024 + 1))
    refused = await ada.request("POST", "/v1/traces", content=bomb, headers=gzipped)
    most = 16 if media_type == PROTOBUF else 4
    assert refused.status_code == 413
    assert message_of(refused) == f"The request body is larger than {most} MiB when decompressed"
    refused = await ada.request("POST", "/v1/traces", content=bytes(1024 * 1024 + 1), headers=headers)
    assert (refused.status_code, message_of(refused)) == (413, "The request body is larger than 1 MiB")
    refused = await ada.request("POST", "/v1/traces", content=b"", headers={**headers, "Content-Encoding": "br"})
    assert refused.status_code == 415
    spans = request_of(*[span(number, {}) for number in range(1, 10_002)])
    body = in_protobuf(spans) if media_type == PROTOBUF else httpx.Request("POST", "http://x", json=spans).content
    refused = await ada.request("POST", "/v1/traces", content=gzip.compress(body), headers=gzipped)
    assert (refused.status_code, message_of(refused)) == (413, "The request has more than 10000 spans")
    assert await ada.events() == []


async def test_other_content_types_and_methods_get_the_usual_errors(ada: Member) -> None:
    refused = await ada.request("POST", "/v1/traces", content=b"x", headers={"Content-Type": "text/plain"})
    assert_problem(refused, 415)
    assert_problem(await ada.request("GET", "/v1/traces"), 405)


async def test_the_exporter_of_langfuse_is_accepted(ada: Member, client: httpx.AsyncClient) -> None:
    path, body = "/api/public/otel/v1/traces", in_protobuf(request_of(span(1, CHAT)))
    key = await new_api_key(ada)
    for user, password, status in (("pk-lf-1", key.key, 200), ("pk-lf-1", "sk-lf-1", 401), (key.key, "", 401)):
        basic = httpx.BasicAuth(user, password)
        response = await client.post(path, content=body, headers={"Content-Type": PROTOBUF}, auth=basic)
        assert response.status_code == status
        assert response.headers["content-type"] == PROTOBUF
    assert len(await ada.events()) == 1
    for header in ("Basic", "Basic !", "Basic " + "x" * 10_000):
        refused = await client.post(path, content=body, headers={"Content-Type": PROTOBUF, "Authorization": header})
        assert refused.status_code == 401
    # A password is no key anywhere else.
    events = await client.post("/api/events/track", json={}, auth=httpx.BasicAuth("pk-lf-1", key.key))
    assert_problem(events, 401)


async def test_several_members_of_gzip_are_one_body(ada: Member) -> None:
    body = in_protobuf(request_of(span(1, CHAT)))
    content = gzip.compress(body[:100]) + gzip.compress(body[100:])
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
    assert (await ada.request("POST", "/v1/traces", content=content, headers=headers)).status_code == 200
    assert len(await ada.events()) == 1


async def test_a_large_span_is_read_by_its_known_attributes(ada: Member) -> None:
    large = span(1, {**CHAT, **{f"unknown.{n}": n for n in range(2_000)}, "input.value": "x" * 500_000})
    headers = {"Content-Type": PROTOBUF}
    response = await ada.request("POST", "/v1/traces", content=in_protobuf(request_of(large)), headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    (event,) = await ada.events()
    assert (event["cost"], event["latency_ms"], event["metadata"]["span_id"]) == (CHAT_COST, 840.5, f"{1:016x}")


async def test_millions_of_empty_values_are_refused(ada: Member) -> None:
    for media_type, body in ((PROTOBUF, b"\x0a\x00" * 600_000), ("application/json", b"{%s}" % (b'"a":0,' * 600_000))):
        headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
        refused = await ada.request("POST", "/v1/traces", content=gzip.compress(body), headers=headers)
        assert refused.status_code == 413


async def test_a_value_with_too_many_values_is_refused(ada: Member) -> None:
    headers = {"Content-Type": "application/json"}
    for many, status in ((9_990, 400), (10_001, 413)):
        body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[[%s]]}]}]}]}' % b",".join([b"[]"] * many)
        refused = await ada.request("POST", "/v1/traces", content=body, headers=headers)
        assert refused.status_code == status
    assert message_of(refused) == "The request has a value that is too large: it has more than 20000 values"


async def test_other_requests_are_answered_while_a_large_one_is_read(ada: Member) -> None:
    spans = [span(number, {**CHAT, "input.value": "x" * 1000}) for number in range(1, 5_001)]
    content = gzip.compress(in_protobuf(request_of(*spans)))
    answered = 0

    async def others() -> None:
        nonlocal answered
        while True:
            await asyncio.sleep(0)
            answered += 1

    working = asyncio.create_task(others())
    response = await ada.request(
        "POST", "/v1/traces", content=content, headers={"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
    )
    working.cancel()
    assert response.status_code == 200
    # 5,000 events are priced in 200 turns; reading the spans takes at least as many.
    assert answered > 220
    summary = await ada.get("/api/costs/summary", start="2026-09-21", end="2026-09-21")
    assert (summary["call_count"], summary["total_cost"]) == (5_000, 28.075)


# Which spans are calls


def parsed(scope: str = "", **attributes: Any) -> Any:
    """The call in a span with these attributes; dots in their names may be written as two underscores."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    assert all(wanted(key) for key in named), "attributes that are not read"
    return parse_call(Span(TRACE, "0" * 15 + "1", "", "name", 0, 0, False, None, scope, named, {}))


# From the documentation of each library, and from what it sends.
@pytest.mark.parametrize("case", ATTRIBUTES["calls"].values(), ids=ATTRIBUTES["calls"])
def test_token_counts_are_read_by_the_convention_of_each_library(case: dict[str, Any]) -> None:
    assert parsed(case["scope"], **case["attributes"]).counts == Counts(**case["counts"])


@pytest.mark.parametrize("attributes", ATTRIBUTES["other spans"].values(), ids=ATTRIBUTES["other spans"])
def test_spans_of_other_operations_are_ignored(attributes: dict[str, Any]) -> None:
    assert parsed(**{key: value for key, value in attributes.items() if wanted(key)}) is None


def test_attributes_with_texts_are_not_read() -> None:
    for key in (
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.prompt.0.content", "input.value",
        "gen_ai.completion.0.content", "gen_ai.system_instructions", "llm.input_messages.0.message.content",
        "ai.prompt", "ai.prompt.messages", "ai.response.text", "llm.prompts", "traceloop.entity.input",
        "exception.message",
    ):  # fmt: skip
        assert not wanted(key)


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ("openai", "openai"),
        ("Anthropic", "anthropic"),
        ("az.ai.openai", "azure"),
        ("azure.ai.openai", "azure"),
        ("azure_ai", "azure"),
        ("azure-openai-chat", "azure"),
        ("aws.bedrock", "aws"),
        ("bedrock_converse", "aws"),
        ("gcp.gemini", "google"),
        ("gcp.gen_ai", "google"),
        ("vertex_ai", "google"),
        ("google-vertex-anthropic", "google"),
        ("mistral_ai", "mistral"),
        ("x_ai", "x-ai"),
        ("x.ai", "x-ai"),
        ("fireworks-ai", "fireworks"),
        ("openai.responses", "openai"),
        ("azure-openai.chat", "azure"),
        ("groq.chat", "groq"),
        ("togetherai.chat", "together"),
        ("our.own.gateway", "our.own.gateway"),
        ("", "openai"),
    ],
)
async def test_providers_have_one_name_each(ada: Member, said: str, provider: str) -> None:
    assert await send(ada, request_of(span(1, {**CHAT, "gen_ai.provider.name": said}))) == {}
    (event,) = await ada.events()
    assert event["provider"] == provider


async def test_the_group_of_a_proxy_is_a_tag(ada: Member) -> None:
    call = {**CHAT, "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "fast", "litellm.model_group": "fast"}
    assert await send(ada, request_of(span(1, call), scope="litellm", service__name="search")) == {}
    (event,) = await ada.events()
    assert (event["model"], event["tags"], event["cost"]) == (
        "gpt-4o",
        {"model_group": "fast", "service": "search"},
        CHAT_COST,
    )


async def test_a_call_reported_by_several_libraries_is_counted_once(ada: Member) -> None:
    id = "chatcmpl-9f8c2a44d2f34f0a"
    assert (await ada.track(response_id=id)).status_code == 201
    # As OpenLLMetry, Vercel's AI SDK and OpenInference report it, each in its own span.
    vercel = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "openai.chat",
        "ai.model.id": "gpt-4o",
    }
    openinference = {"openinference.span.kind": "LLM", "llm.system": "openai", "llm.model_name": "gpt-4o"}
    request = request_of(
        span(1, {**CHAT, "gen_ai.response.id": id}),
        span(2, {**vercel, "ai.response.id": id, "ai.usage.inputTokens": 1000, "ai.usage.outputTokens": 500}),
        span(3, {**openinference, "output.value": f'{{"id":"{id}","choices":[]}}', "llm.token_count.prompt": 1000}),
        # OpenInference joins the chunks of a stream like this; the answer and its tool calls have ids of their own.
        span(6, {**openinference, "llm.token_count.prompt": 1000,
                 "output.value": '{"choices": [{"message": {"content": "], \\"id\\": \\"chatcmpl-0000000000000000\\"", '
                 '"tool_calls": [{"id": "call_0000000000000000"}]}}], "id": "' + id + '", "model": "gpt-4o"}'}),
    )  # fmt: skip
    assert await send(ada, request) == {}
    (event,) = await ada.events()
    # 86 x 2.50 + 1,920 x 1.25 + 500 x 10 USD per million: each count from the report that knows it.
    assert event["cost"] == 0.007615
    # An id that is too short to be a vendor's does not identify a call.
    await send(
        ada, request_of(span(4, {**CHAT, "gen_ai.response.id": "1"}), span(5, {**CHAT, "gen_ai.response.id": "1"}))
    )
    assert len(await ada.events()) == 3


async def test_parents_that_summarise_their_children_are_not_counted(ada: Member) -> None:
    vercel = {"ai.model.provider": "openai.chat", "ai.model.id": "gpt-4o", "ai.usage.outputTokens": 300}
    request = request_of(
        span(1, {**vercel, "ai.operationId": "ai.generateText", "ai.usage.inputTokens": 2012}),
        span(2, {**vercel, "ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 1006}, parent=1),
        span(3, {**vercel, "ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 1006}, parent=1),
        # A framework's call around that of the vendor's client, with a span that is no call in between.
        span(4, {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 2006,
                 "llm.token_count.completion": 300}),
        span(5, {"http.request.method": "POST"}, parent=4),
        span(6, CHAT, parent=5),
        # An agent's call within which another, smaller one is made.
        span(7, CHAT),
        span(8, {**CHAT, "gen_ai.usage.input_tokens": 1930}, parent=7),
        # Spans that are each other's parents end the search.
        span(9, {}, parent=10),
        span(10, {}, parent=9),
        span(11, CHAT, parent=9),
    )  # fmt: skip
    assert await send(ada, request) == {}
    assert sorted(int(event["metadata"]["span_id"], 16) for event in await ada.events()) == [2, 3, 6, 7, 8, 11]


async def test_a_failed_call_has_the_type_of_its_error_without_the_message(ada: Member) -> None:
    bare = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    failed: dict[str, Any] = {"status": {"code": 2, "message": "CANARY"}}
    event = {"name": "exception", "attributes": attributes_of({"exception.type": "openai.APITimeoutError"})}
    request = request_of(
        span(1, {**bare, "error.type": "RateLimitError"}, **failed),
        span(2, bare, **failed, events=[event]),
        span(3, {**bare, "error.type": "what the user wrote was CANARY"}, **failed),
    )
    assert await send(ada, request) == {}
    ended = {event["metadata"]["span_id"][-1]: event for event in await ada.events()}
    assert [(ended[id]["status"], ended[id]["error_message"], ended[id]["cost"]) for id in "123"] == [
        ("error", "RateLimitError", 0),
        ("timeout", "openai.APITimeoutError", 0),
        ("error", None, 0),
    ]


async def test_the_project_comes_from_the_span_or_the_resource_or_the_service_name(ada: Member) -> None:
    await send(
        ada, request_of(span(1, {**CHAT, "llmlab.project": "one"}), llmlab__project="two", service__name="three")
    )
    await send(ada, request_of(span(2, CHAT), llmlab__project="two", service__name="three"))
    await send(ada, request_of(span(3, CHAT), service__name="three"))
    await send(ada, request_of(span(4, CHAT), service__name="unknown_service:python"))
    filed = {event["metadata"]["span_id"][-1]: event for event in await ada.events()}
    assert [filed[id]["project"] for id in "1234"] == ["one", "two", "three", None]
    assert filed["4"]["tags"] == {}


async def test_spans_sent_with_a_project_key_go_to_its_project(ada: Member) -> None:
    await ada.request("POST", "/api/projects", json={"name": "mobile"})
    application = await new_api_key(ada, project="mobile")
    assert await send(application, request_of(span(1, CHAT), service__name="search")) == {}
    (event,) = await ada.events()
    assert (event["project"], event["tags"]) == ("mobile", {"service": "search"})
    refused = await send(application, request_of(span(2, CHAT), llmlab__project="other"))
    assert refused["partialSuccess"]["rejectedSpans"] == "1"
    assert "may not create projects" in refused["partialSuccess"]["errorMessage"]


async def test_chosen_tags_come_first_and_their_number_is_limited(ada: Member) -> None:
    chosen = {f"llmlab__tag__t{number}": "x" for number in range(7)}
    await send(ada, request_of(span(1, CHAT), **chosen, service__name="search", deployment__environment="test"))
    (event,) = await ada.events()
    assert event["tags"] == {**{f"t{number}": "x" for number in range(7)}, "environment": "test"}


async def test_a_reported_cost_is_used_only_without_a_price(ada: Member) -> None:
    unknown = {**CHAT, "gen_ai.response.model": "house-model"}
    await send(
        ada,
        request_of(
            span(1, {**CHAT, "gen_ai.cost.total_cost": 9.5}),
            span(2, {**unknown, "gen_ai.cost.total_cost": 0.0075000000000000006}),
            span(3, {**unknown, "gen_ai.cost.total_cost": 0.0}),
            span(4, {**unknown, "gen_ai.cost.total_cost": 9.5, "litellm.cache_hit": True}),
        ),
    )
    events = {event["metadata"]["span_id"][-1]: event for event in await ada.events()}
    assert [events[id]["cost"] for id in "1234"] == [CHAT_COST, 0.0075, None, 0]
    assert [events[id]["pricing"] for id in "234"] == ["caller", "unpriced", "caller"]


async def test_prompts_and_answers_are_neither_stored_nor_logged(
    ada: Member, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = {
        key: f"CANARY in {key}"
        for key in ("gen_ai.input.messages", "input.value", "ai.prompt", "llm.output_messages.0.message.content")
    }
    held = {"output.value": '{"id":"chatcmpl-9f8c2a44d2f34f0a","text":"CANARY"}', "metadata.usage_object": "CANARY"}
    parameters = {"llm.invocation_parameters": '{"model":"gpt-4o","prompt":"CANARY"}'}
    openinference = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 10}
    event = {
        "name": "CANARY",
        "attributes": attributes_of({"exception.message": "CANARY", "exception.type": "CANARY!"}),
    }
    whole = request_of(
        span(1, {**CHAT, **texts}, name="CANARY", events=[event], status={"code": 2, "message": "CANARY"}),
        span(2, {**openinference, **texts, **held, **parameters}),
        span(3, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", **texts}),
        process__command_line="CANARY",
    )
    answer = await send(ada, whole)
    assert answer["partialSuccess"]["rejectedSpans"] == "1"
    assert "CANARY" not in str(answer)
    events = await ada.events()
    assert len(events) == 2
    for kept in events:
        assert "CANARY" not in str(await ada.get(f"/api/events/{kept['event_id']}"))
    assert "CANARY" not in caplog.text


# Real clients


@pytest.mark.parametrize(
    ("instrumentation", "compression", "calls", "cost"),
    [
        # Two answers of 0.005615 USD, and a refusal.
        ("openllmetry-openai", "gzip", 3, 0.01123),
        ("openllmetry-openai", "none", 3, 0.01123),
        ("openinference-openai", "gzip", 3, 0.01123),
        # 0.0075 USD, and 0.007515: of a stream, OpenLLMetry adds the one token of its start to the 200 of its end.
        ("openllmetry-anthropic", "none", 2, 0.015015),
    ],
)
def test_calls_of_instrumented_clients_are_counted_once(
    server: Server, instrumentation: str, compression: str, calls: int, cost: float
) -> None:
    with Vendors("CANARY-ANSWER") as vendors, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        account = {"email": new_email(), "password": PASSWORD, "name": "Ada"}
        token = client.post("/api/auth/signup", json=account).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        key = client.post("/api/keys", json={"name": "application"}).json()["key"]
        variables = environment(
            PYTHONPATH="sdk",
            OTEL_EXPORTER_OTLP_ENDPOINT=server.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"Authorization=Bearer%20{key}",
            OTEL_EXPORTER_OTLP_COMPRESSION=compression,
            OTEL_SERVICE_NAME="search",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=production",
        )
        command = [sys.executable, "-m", "tests.support.instrumented", instrumentation, vendors.url]
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        summary = client.get("/api/costs/summary", params={"days": 1}).json()
        assert (summary["call_count"], summary["total_cost"]) == (calls, cost)
        events = client.get("/api/events").json()["events"]
        assert [event["status"] for event in events].count("error") == calls - 2
        for event in events:
            if event["status"] == "success":
                assert (event["cache_read_tokens"], event["input_tokens"]) in ((1920, 2006), (2000, 3050))
                assert event["cache_write_tokens"] == (1000 if event["provider"] == "anthropic" else 0)
                assert event["latency_ms"] > 0
            assert (event["project"], event["tags"]["environment"]) == ("search", "production")
        assert "CANARY" not in str(events)
        if "openllmetry" in instrumentation:
            for id in vendors.ids:
                assert client.get(f"/api/events/{id}").status_code == 200
    assert b"CANARY" not in server._log.read_bytes()
