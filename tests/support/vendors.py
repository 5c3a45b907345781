"""OpenAI and Anthropic on this machine: enough of their wire formats for their own clients, also for streams."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

# 86 tokens of gpt-4o's prompt at 2.50 USD a million, 1,920 cached ones at 1.25, 300 of output at 10: 0.005615 USD.
OPENAI_USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 64,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
OPENAI_MODEL = "gpt-4o-2024-08-06"
# 50 tokens of Sonnet's prompt at 3 USD a million, 1,000 written to the cache at 3.75, 2,000 read from it at 0.30, 200
# of output at 15: 0.0075 USD.
ANTHROPIC_USAGE = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 1000,
    "cache_read_input_tokens": 2000,
    "output_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 0},
    "service_tier": "standard",
}
ANTHROPIC_MODEL = "claude-sonnet-4-5-20250929"


class Vendors:
    """Both vendors behind one port. `ids` are those of the answers, in order; a prompt that says `fail` is refused."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.ids: list[str] = []

    def __enter__(self) -> "Vendors":
        vendors = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if '"fail"' in json.dumps(body):
                    self._send(429, "application/json", b'{"error": {"message": "Slow down", "type": "rate_limit"}}')
                    return
                speak = vendors.chat if self.path.endswith("/chat/completions") else vendors.messages
                pieces = list(speak(body))
                if body.get("stream"):
                    self._send(200, "text/event-stream", b"".join(pieces))
                else:
                    self._send(200, "application/json", pieces[0])

            def _send(self, status: int, media_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Writes nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def chat(self, body: dict[str, Any]) -> Iterator[bytes]:
        """OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat"""
        id = self._new("chatcmpl-")
        head = {"id": id, "created": 1763700000, "model": OPENAI_MODEL, "service_tier": "default"}
        if not body.get("stream"):
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": self.answer, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
            whole = {**head, "object": "chat.completion", "choices": [choice], "usage": OPENAI_USAGE}
            yield json.dumps(whole).encode()
            return
        head["object"] = "chat.completion.chunk"
        for delta, reason in (
            ({"role": "assistant", "content": ""}, None),
            ({"content": self.answer}, None),
            ({}, "stop"),
        ):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            yield _data({**head, "choices": [choice], "usage": None})
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _data({**head, "choices": [], "usage": OPENAI_USAGE})
        yield b"data: [DONE]\n\n"

    def messages(self, body: dict[str, Any]) -> Iterator[bytes]:
        """Anthropic's messages: https://docs.anthropic.com/en/api/messages"""
        head: dict[str, Any] = {
            "id": self._new("msg_"),
            "type": "message",
            "role": "assistant",
            "model": ANTHROPIC_MODEL,
            "stop_sequence": None,
        }
        text = {"type": "text", "text": self.answer}
        if not body.get("stream"):
            whole = {**head, "content": [text], "stop_reason": "end_turn", "usage": ANTHROPIC_USAGE}
            yield json.dumps(whole).encode()
            return
        started = {**head, "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
        yield _event("message_start", message=started)
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": self.answer})
        yield _event("content_block_stop", index=0)
        yield _event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": ANTHROPIC_USAGE["output_tokens"]},
        )
        yield _event("message_stop")

    def _new(self, prefix: str) -> str:
        id = f"{prefix}{uuid4().hex}"
        self.ids.append(id)
        return id


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _event(type: str, **fields: Any) -> bytes:
    return f"event: {type}\n".encode() + _data({"type": type, **fields})
