"""An application that calls models with the vendors' own clients and is observed by other people's instrumentation.

    python -m tests.support.instrumented INSTRUMENTATION VENDOR_URL [sdk-first|sdk-last]

The exporter is OpenTelemetry's own and takes its settings from the environment, as those of OTEL_EXPORTER_OTLP_*; so
does LLMLab's SDK, if that observes it as well. It makes a call without and one with a stream, and one that the vendor
refuses, and then exports everything twice.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

import llmlab
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

PROMPT = "CANARY-PROMPT"


class Twice(SpanExporter):
    """Sends every batch again, as an exporter does that missed the answer."""

    def __init__(self) -> None:
        self._exporter = OTLPSpanExporter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        first, second = self._exporter.export(spans), self._exporter.export(spans)
        assert first is second is SpanExportResult.SUCCESS
        return second

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def call_openai(url: str) -> None:
    from openai import OpenAI, RateLimitError

    client = OpenAI(base_url=f"{url}/v1", api_key="sk-local", max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": PROMPT}])
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
    )
    assert list(stream)
    try:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "fail"}])
    except RateLimitError:
        pass
    else:
        raise AssertionError("the vendor refuses this")


def call_anthropic(url: str) -> None:
    from anthropic import Anthropic

    client = Anthropic(base_url=url, api_key="sk-ant-local", max_retries=0)
    prompt = {"model": "claude-sonnet-4-5", "max_tokens": 300, "messages": [{"role": "user", "content": PROMPT}]}
    client.messages.create(**prompt)  # type: ignore[call-overload]
    assert list(client.messages.create(**prompt, stream=True))  # type: ignore[call-overload]


def main(instrumentation: str, url: str, sdk: str | None = None) -> None:
    """Instruments, calls, exports."""
    # Each takes seconds to import.
    module, name, call = {
        "openllmetry-openai": ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor", call_openai),
        "openllmetry-anthropic": ("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor", call_anthropic),
        "openinference-openai": ("openinference.instrumentation.openai", "OpenAIInstrumentor", call_openai),
    }[instrumentation]
    instrumentor = getattr(import_module(module), name)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Twice()))
    if sdk == "sdk-first":
        llmlab.instrument()
    instrumentor().instrument(tracer_provider=provider)
    if sdk == "sdk-last":
        llmlab.instrument()
    with provider.get_tracer("application").start_as_current_span("work"):
        call(url)
    provider.shutdown()
    assert llmlab.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
