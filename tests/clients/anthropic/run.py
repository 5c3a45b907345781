"""Anthropic's package with OpenTelemetry of its own."""

from calling import call_anthropic, tracer_provider

provider = tracer_provider()
call_anthropic()
provider.shutdown()
