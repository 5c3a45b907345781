"""Datadog's tracer, which exports spans in OpenTelemetry's protocol."""

import os

os.environ |= {
    "DD_TRACE_OTEL_ENABLED": "true",
    "OTEL_TRACES_EXPORTER": "otlp",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_SERVICE": "clients",
}
# It does not decode the header.
os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization=Bearer {os.environ['LLMLAB_API_KEY']}"

import ddtrace.auto  # noqa: F401
from calling import call_anthropic, call_openai
from ddtrace import tracer

call_openai()
call_anthropic()
tracer.flush()
