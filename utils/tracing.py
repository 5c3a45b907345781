"""Tracing by OpenTelemetry: FastAPI makes a span of each request, and this says where they go and what is in them.

The exporter reads the standard OTEL_ variables by itself.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def tracer_provider(version: str) -> "TracerProvider | None":
    """What makes the spans; None, and nothing is loaded, unless a collector is named and the SDK is not disabled."""
    if not any(map(os.environ.get, _ENDPOINTS)) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

    class WithoutQueries(SpanProcessor):
        """Takes out what stands behind the ? of an address: people put anything there."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            if span.attributes and "url.query" in span.attributes:
                span.set_attribute("url.query", "REDACTED")

    ours = Resource({"service.name": "llmlab", "service.version": version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(WithoutQueries())
    return provider
