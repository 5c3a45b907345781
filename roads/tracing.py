"""Tracing of another road: a span for each call."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode, Tracer, get_current_span

from roads.road import Road


class TracedRoad:
    """Another road, with a span for each call of a traced request.

    A commit for several requests is in the trace of the request that started it, unless that has been answered.
    """

    def __init__(self, road: Road, tracer: Tracer) -> None:
        self._road = road
        self._tracer = tracer
        self.listening = road.listening
        self.connections = road.connections
        self.close = road.close

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        if not get_current_span().is_recording():
            return await self._road.call(function, parameters)
        about = {"db.system.name": "postgresql", "db.stored_procedure.name": f"public.{function}"}
        # Only the type of an error is recorded: its message may contain what callers sent.
        with self._tracer.start_as_current_span(
            function, kind=SpanKind.CLIENT, attributes=about, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                return await self._road.call(function, parameters)
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise
