"""The vendors OpenAI, Anthropic, Google and Bedrock on this machine: they count their calls and know what they bill."""

import json
import re
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote

from tests.clients import answers, usage
from tests.clients.usage import Tokens
from tests.clients.wanted import Asked

# A prompt with this is refused.
REFUSED = "refuse this"

_KINDS = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/v1/messages": "messages",
}
_PROVIDERS = {"messages": "anthropic", "gemini": "google", "converse": "aws"}
_GEMINI = re.compile(r"/models/([^:/]+):(generateContent|streamGenerateContent)$")
_CONVERSE = re.compile(r"/model/([^/]+)/converse$")


class Call(NamedTuple):
    """A call that a vendor has answered. `tokens` and `cost` in USD are what it bills; None for a refused one."""

    number: int
    provider: str
    kind: str
    streamed: bool
    asked_model: str
    model: str
    response_id: str | None
    tokens: Tokens | None
    cost: Decimal | None
    # Whether the answer shows the counts: a stream of chat completions does only if it was asked to.
    shows_counts: bool

    def document(self) -> dict[str, Any]:
        """The call as JSON; the cost is a decimal number in a string."""
        tokens = None if self.tokens is None else self.tokens._asdict()
        return {**self._asdict(), "tokens": tokens, "cost": None if self.cost is None else str(self.cost)}


class Vendor:
    """The running server. `calls` are those it has answered, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.unknown: list[str] = []
        self._lock = threading.Lock()
        vendor = self

        class Handler(_Handler):
            """Answers for this server."""

            server_of = vendor

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> "Vendor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def noted(self, asked: Asked, refused: bool) -> Call:
        """Counts a call."""
        with self._lock:
            call = answered(asked, len(self.calls) + 1, refused)
            self.calls.append(call)
            return call


def answered(asked: Asked, number: int, refused: bool) -> Call:
    """What the vendor counts for its call with this number."""
    model = usage.answering(asked.model)
    tokens = None if refused else usage.counted(asked.kind, asked.model, number)
    options = asked.body.get("stream_options") or {}
    return Call(
        number=number,
        provider=_PROVIDERS.get(asked.kind, "openai"),
        kind=asked.kind,
        streamed=asked.streams,
        asked_model=asked.model,
        model=model,
        response_id=None if refused else answers.response_id(asked.kind),
        tokens=tokens,
        cost=None if tokens is None else usage.cost(model, tokens),
        shows_counts=asked.kind != "chat" or not asked.streams or bool(options.get("include_usage")),
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Vendor

    def do_GET(self) -> None:
        self._send(404, b'{"error": {"message": "Not found"}}')

    def do_POST(self) -> None:
        size = self.headers["content-length"]
        raw = self.rfile.read(int(size)) if size else self._chunked()
        asked = _asked(unquote(self.path.partition("?")[0]), json.loads(raw or b"{}"))
        if asked is None:
            self.server_of.unknown.append(self.path)
            self._send(404, b'{"error": {"message": "Not found"}}')
            return
        refused = REFUSED in json.dumps(asked.body)
        call = self.server_of.noted(asked, refused)
        if call.tokens is None:
            self._send(400, json.dumps(answers.refusal(asked.kind, 400)).encode())
        elif asked.streams:
            self._stream(asked, call, call.tokens)
        else:
            headers = {"x-amzn-requestid": call.response_id or ""} if asked.kind == "converse" else {}
            self._send(200, json.dumps(answers.whole(asked, call.response_id, call.tokens)).encode(), headers)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _stream(self, asked: Asked, call: Call, tokens: Tokens) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in answers.stream(asked, call.response_id, tokens):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunked(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)


def _asked(path: str, body: dict[str, Any]) -> Asked | None:
    for end, kind in _KINDS.items():
        if path.endswith(end):
            return Asked(kind, body.get("model", ""), body, bool(body.get("stream")))
    if found := _GEMINI.search(path):
        return Asked("gemini", found[1], body, found[2].startswith("stream"))
    if found := _CONVERSE.search(path):
        return Asked("converse", found[1], body, False)
    return None
