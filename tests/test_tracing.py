"""Tracing: a collector gets the spans of a request and no secrets; without a collector nothing is loaded."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conftest import SIGNING_KEY
from tests.support.product import PATIENCE, Server, environment
from tests.support.receiver import Receiver
from tests.support.team import PASSWORD, sign_up

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


def attributes(span: Span) -> dict[str, str | int]:
    """The attributes of a span that are texts or whole numbers."""
    return {
        pair.key: pair.value.string_value if pair.value.HasField("string_value") else pair.value.int_value
        for pair in span.attributes
    }


async def test_a_collector_gets_the_spans_of_a_request_and_no_secret(tmp_path: Path) -> None:
    async with Receiver() as collector:
        server = Server(
            tmp_path / "data",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        )
        await asyncio.to_thread(server.start)
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
                ada = await sign_up(client, "Ada")
                traced = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
                event = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}
                event |= {"metadata": {"word": "xyzzy"}}
                await ada.request("POST", "/api/events/track", json=event, headers=traced)
                await ada.request("GET", "/api/events?cursor=plugh")
                await ada.request("GET", "/api/events/no-such-event")
                await ada.request("DELETE", f"/api/projects/{TRACE_ID}", headers={"Cookie": "waldo"})
        finally:
            # What is left is sent before the end.
            await asyncio.to_thread(server.stop, signal.SIGTERM)
        assert {request.path for request in collector.requests} == {"/v1/traces"}
        came = [ExportTraceServiceRequest.FromString(request.body) for request in collector.requests]

    resources = [resource for request in came for resource in request.resource_spans]
    described = {pair.key: pair.value.string_value for pair in resources[0].resource.attributes}
    assert (described["service.name"], described["deployment.environment.name"]) == ("llmlab", "test")
    spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]

    (track,) = [span for span in spans if span.name == "POST /api/events/track"]
    assert (track.trace_id.hex(), track.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert track.kind == Span.SPAN_KIND_SERVER
    said = attributes(track)
    assert (said["http.route"], said["http.response.status_code"]) == ("/api/events/track", 201)
    (write,) = [span for span in spans if span.name == "record_events"]
    assert (write.trace_id, write.parent_span_id) == (track.trace_id, track.span_id)
    assert attributes(write) == {"db.system.name": "postgresql", "db.stored_procedure.name": "public.record_events"}

    (listed,) = [span for span in spans if span.name == "GET /api/events"]
    assert attributes(listed)["url.query"] == "REDACTED"
    assert [span.status.code for span in spans] == [Status.STATUS_CODE_UNSET] * len(spans)
    everything = b"".join(request.body for request in collector.requests)
    for secret in (
        PASSWORD,
        ada.session["access_token"],
        ada.session["refresh_token"],
        ada.email,
        "xyzzy",
        "plugh",
        "waldo",
    ):
        assert secret.encode() not in everything, secret


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "True"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9", "FASTAPI_OTEL_AUTO_CONFIGURE": "true"},
    ],
)
def test_without_a_collector_nothing_is_loaded(variables: dict[str, str], url: str, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from main import create_app; app = create_app()\n"
        "async def start():\n"
        "    messages = iter([{'type': 'lifespan.startup'}, {'type': 'lifespan.shutdown'}])\n"
        "    async def receive(): return next(messages)\n"
        "    async def send(message): print(message['type'])\n"
        "    await app({'type': 'lifespan', 'asgi': {'version': '3.0'}}, receive, send)\n"
        "asyncio.run(start())\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(DATABASE_URL=url, SECRET_KEY=SIGNING_KEY, **variables),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.splitlines() == ["lifespan.startup.complete", "lifespan.shutdown.complete", "[]"]
