"""Tracing with OpenTelemetry: the tracer provider for the spans of requests.

The exporter reads the standard OTEL_ variables.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def tracer_provider(version: str) -> "TracerProvider | None":
    """The tracer provider; None, without loading the SDK, if no collector is configured or the SDK is disabled."""
    if not any(map(os.environ.get, _ENDPOINTS)) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

    class WithoutQueries(SpanProcessor):
        """Redacts the query string of URLs, which may contain secrets."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            if span.attributes and "url.query" in span.attributes:
                span.set_attribute("url.query", "REDACTED")

    resource = Resource({"service.name": "llmlab", "service.version": version})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(WithoutQueries())
    return provider
