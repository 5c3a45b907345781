"""A server on the loopback that speaks the vendors' wire formats, written from their public documentation.

What it answers is in `answers`. Words in the prompt change that: `fails-429` and `fails-500` are answered so each time,
`refuses-once` only the first time. Of a stream, `never-ends` lets it hang after its first words, `breaks-off` cuts the
connection there, and `errs` sends an error.

- OpenAI: https://platform.openai.com/docs/api-reference
- Anthropic: https://docs.anthropic.com/en/api/messages-streaming
- Google: https://ai.google.dev/api/generate-content
- Mistral: https://docs.mistral.ai/api
- Cohere: https://docs.cohere.com/reference
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from vendors import answers


class Vendors:
    """The running server. `requests` are the bodies it was sent, with their paths."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        # Releases hanging streams.
        self.released = threading.Event()
        self._numbers = count(1)
        self._refused: set[str] = set()
        vendors = self

        class Handler(_Handler):
            """Answers for this server."""

            server_of = vendors

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Vendors":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def received(self, path: str, body: dict[str, Any]) -> int:
        """Notes a request; returns its number."""
        self.requests.append((path, body))
        return next(self._numbers)

    def refuses(self, prompt: str) -> bool:
        """Whether this is the first of a prompt that is refused once."""
        first = "refuses-once" in prompt and prompt not in self._refused
        self._refused.add(prompt)
        return first


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Vendors

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        number = self.server_of.received(path, body)
        prompt = json.dumps(body)
        if "fails-429" in prompt or self.server_of.refuses(prompt):
            self._answer(429, answers.refusal(path))
        elif "fails-500" in prompt:
            self._answer(500, answers.refusal(path))
        elif body.get("stream") or path.endswith(":streamGenerateContent"):
            self._stream(path, answers.stream(path, body, number), prompt)
        else:
            self._answer(200, answers.answer(path, body, number))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Writes no log."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        # Shortens the clients' delay before a retry.
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, path: str, events: Iterator[bytes], prompt: str) -> None:
        self.send_response(200)
        self.send_header("content-type", answers.stream_type(path))
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for place, event in enumerate(events):
                if place == answers.WORDS_SENT:
                    if "breaks-off" in prompt:
                        self.close_connection = True
                        return
                    if "errs" in prompt:
                        self._chunk(answers.stream_error(path))
                        break
                    if "never-ends" in prompt:
                        self.server_of.released.wait(30)
                # In two pieces, because clients receive bytes, not whole events.
                self._chunk(event[:17])
                self._chunk(event[17:])
            self._chunk(b"")
        except ConnectionError:
            self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()
