"""A server in front of LLMLab that counts the calls that LiteLLM reports, so that the last of them can be awaited."""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_PATIENCE = 600
_SPAN = "litellm_request"


class Relay:
    """The running server. `counts` are the calls reported by OpenTelemetry and by the callback."""

    def __init__(self, target: str) -> None:
        self.counts = {"otel": 0, "generic_api": 0}
        self._changed = threading.Condition()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                kept = ("content-type", "authorization", "content-encoding")
                headers = {name: self.headers[name] for name in kept if name in self.headers}
                request = urllib.request.Request(target + self.path, body, headers)  # noqa: S310
                try:
                    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
                        status, media_type, content = answer.status, answer.headers["content-type"], answer.read()
                except urllib.error.HTTPError as error:
                    status, media_type, content = error.code, error.headers["content-type"], error.read()
                self.send_response(status)
                self.send_header("content-type", media_type or "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                relay._count(self.path, body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, calls: int, names: list[str]) -> None:
        """Waits until that many calls were reported in each of these ways. Raises AssertionError after ten minutes."""
        with self._changed:
            reported = self._changed.wait_for(lambda: all(self.counts[name] >= calls for name in names), _PATIENCE)
        assert reported, f"of {calls} calls were reported: {self.counts}"

    def _count(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            traces = ExportTraceServiceRequest.FromString(body)
            spans = (each for of in traces.resource_spans for scope in of.scope_spans for each in scope.spans)
            name, calls = "otel", sum(span.name == _SPAN for span in spans)
        else:
            name, calls = "generic_api", len(json.loads(body))
        with self._changed:
            self.counts[name] += calls
            self._changed.notify_all()
