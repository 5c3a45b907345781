"""The answers of the vendors. Every answer to a prompt is "Hello world", and its usage is always the same.

A stream's first four events hold "Hello "; then come the rest and the usage.
"""

import json
from collections.abc import Iterator
from typing import Any

WORDS_SENT = 4

# 1,000 tokens of prompt, 400 of them read from the cache; 500 of answer, 200 of them reasoning.
OPENAI_USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 200, "audio_tokens": 0},
}
RESPONSES_USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 400},
    "output_tokens": 500,
    "output_tokens_details": {"reasoning_tokens": 200},
    "total_tokens": 1500,
}
# Anthropic counts the cached parts beside the input: a prompt of 1,000.
ANTHROPIC_USAGE = {
    "input_tokens": 300,
    "cache_read_input_tokens": 400,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 500,
    "service_tier": "standard",
}
# Google counts the reasoning beside the answer: 500 together.
GOOGLE_USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 400,
    "candidatesTokenCount": 300,
    "thoughtsTokenCount": 200,
    "totalTokenCount": 1500,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
}
MISTRAL_USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
# Cohere charges less than it counts.
COHERE_USAGE = {
    "billed_units": {"input_tokens": 1000, "output_tokens": 500},
    "tokens": {"input_tokens": 1070, "output_tokens": 510},
}


def answer(path: str, body: dict[str, Any], number: int) -> dict[str, Any]:
    """The whole answer to a request."""
    model = body.get("model", "")
    if path.endswith("/v1/embeddings") and model.startswith("mistral"):
        return {
            "id": f"embd-{number:028}",
            "object": "list",
            "model": model,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000},
        }
    if path.endswith("/embeddings"):
        return {
            "object": "list",
            "model": model,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 1000, "total_tokens": 1000},
        }
    if path.endswith("/v1/fim/completions") or (path.endswith("/chat/completions") and _is_mistral(model)):
        return {
            "id": f"{number:032x}",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": model,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hello world"}, "finish_reason": "stop"}
            ],
            "usage": MISTRAL_USAGE,
        }
    if path.endswith("/chat/completions"):
        return {
            "id": f"chatcmpl-{number:029}",
            "object": "chat.completion",
            "created": 1_760_000_000,
            # An Azure deployment can have any name; the answer names the model.
            "model": "gpt-4o-2024-08-06" if "/deployments/" in path else model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello world", "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": OPENAI_USAGE,
        }
    if path.endswith("/responses"):
        return _response(model, number, "completed", RESPONSES_USAGE)
    if path.endswith("/v1/messages"):
        return _message(model, number, [{"type": "text", "text": "Hello world"}], ANTHROPIC_USAGE)
    if path.endswith(":generateContent"):
        return _content(path, number, "Hello world", GOOGLE_USAGE, "STOP")
    if path.endswith("/v2/chat"):
        return {
            "id": _uuid(number),
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello world"}]},
            "finish_reason": "COMPLETE",
            "usage": COHERE_USAGE,
        }
    if path.endswith("/v1/chat"):
        return _cohere_v1(number)
    if path.endswith("/embed"):
        return {
            "id": _uuid(number),
            "embeddings": {"float": [[0.5]]} if path.endswith("/v2/embed") else [[0.5]],
            "texts": ["Hi"],
            "response_type": "embeddings_by_type" if path.endswith("/v2/embed") else "embeddings_floats",
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 1000}},
        }
    raise AssertionError(f"No vendor has {path}")


def stream(path: str, body: dict[str, Any], number: int) -> Iterator[bytes]:
    """The events of a stream, as bytes."""
    model = body.get("model", "")
    if path.endswith("/chat/completions") and _is_mistral(model):
        yield from _mistral_stream(model, number)
    elif path.endswith("/chat/completions"):
        yield from _openai_stream(body, number)
    elif path.endswith("/responses"):
        yield from _responses_stream(model, number)
    elif path.endswith("/v1/messages"):
        yield from _anthropic_stream(model, number)
    elif path.endswith(":streamGenerateContent"):
        yield from _google_stream(path, number)
    elif path.endswith("/v2/chat"):
        yield from _cohere_stream(number)
    elif path.endswith("/v1/chat"):
        yield from _cohere_v1_stream(number)
    else:
        raise AssertionError(f"No vendor streams {path}")


def stream_type(path: str) -> str:
    """The content type of a stream."""
    return "application/stream+json" if path.endswith("/v1/chat") else "text/event-stream; charset=utf-8"


def refusal(path: str) -> dict[str, Any]:
    """The body of an answer with an error status."""
    if "generateContent" in path.replace("streamG", "g"):
        return {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}
    if path.endswith("/v1/messages"):
        return {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    return {
        "message": "Slow down",
        "error": {"message": "Slow down", "type": "rate_limit", "code": "rate_limit_exceeded"},
    }


def stream_error(path: str) -> bytes:
    """An error in the middle of a stream."""
    if path.endswith("/v1/messages"):
        return _event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
    return _event({"error": {"message": "The server had an error", "type": "server_error", "code": None}})


def _openai_stream(body: dict[str, Any], number: int) -> Iterator[bytes]:
    asked = (body.get("stream_options") or {}).get("include_usage", False)
    chunk = {
        "id": f"chatcmpl-{number:029}",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": body["model"],
        **({"usage": None} if asked else {}),
    }
    for delta in ({"role": "assistant", "content": ""}, {"content": "He"}, {"content": "llo"}, {"content": " "}):
        yield _event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**chunk, "choices": [{"index": 0, "delta": {"content": "world"}, "finish_reason": None}]})
    yield _event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if asked:
        yield _event({**chunk, "choices": [], "usage": OPENAI_USAGE})
    yield b"data: [DONE]\n\n"


def _responses_stream(model: str, number: int) -> Iterator[bytes]:
    def event(kind: str, place: int, **more: Any) -> bytes:
        return _event({"type": kind, "sequence_number": place, **more}, kind)

    def delta(text: str, place: int) -> bytes:
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        return event("response.output_text.delta", place, delta=text, **where)

    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    yield event("response.created", 0, response=_response(model, number, "in_progress", None))
    yield event("response.output_item.added", 1, output_index=0, item=item)
    yield event("response.content_part.added", 2, item_id="msg_1", output_index=0, content_index=0, part=part)
    yield delta("Hello ", 3)
    yield delta("world", 4)
    yield event("response.completed", 5, response=_response(model, number, "completed", RESPONSES_USAGE))


def _anthropic_stream(model: str, number: int) -> Iterator[bytes]:
    def delta(text: str) -> bytes:
        kind = "content_block_delta"
        return _event({"type": kind, "index": 0, "delta": {"type": "text_delta", "text": text}}, kind)

    yield _event(
        {"type": "message_start", "message": _message(model, number, [], {**ANTHROPIC_USAGE, "output_tokens": 1})},
        "message_start",
    )
    block = {"type": "text", "text": ""}
    yield _event({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start")
    yield _event({"type": "ping"}, "ping")
    yield delta("Hello ")
    yield delta("world")
    yield _event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    for tokens, reason in ((250, None), (500, "end_turn")):
        # Cumulative, should there be several.
        yield _event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": reason, "stop_sequence": None},
                "usage": {"output_tokens": tokens},
            },
            "message_delta",
        )
    yield _event({"type": "message_stop"}, "message_stop")


def _google_stream(path: str, number: int) -> Iterator[bytes]:
    def usage(candidates: int, thoughts: int) -> dict[str, Any]:
        total = 1000 + candidates + thoughts
        counts = {"candidatesTokenCount": candidates, "thoughtsTokenCount": thoughts, "totalTokenCount": total}
        return {**GOOGLE_USAGE, **counts}

    for text, candidates, thoughts in (("He", 50, 100), ("l", 100, 150), ("lo", 150, 200), (" ", 200, 200)):
        yield _event(_content(path, number, text, usage(candidates, thoughts)))
    yield _event(_content(path, number, "world", GOOGLE_USAGE, "STOP"))


def _mistral_stream(model: str, number: int) -> Iterator[bytes]:
    chunk = {"id": f"{number:032x}", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": model}
    for text in ("", "He", "llo", " ", "world"):
        delta = {"role": "assistant", "content": text}
        yield _event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    ended = [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]
    yield _event({**chunk, "choices": ended, "usage": MISTRAL_USAGE})
    yield b"data: [DONE]\n\n"


def _cohere_stream(number: int) -> Iterator[bytes]:
    def event(kind: str, **more: Any) -> bytes:
        return _event({"type": kind, **more}, kind)

    def words(text: str) -> bytes:
        return event("content-delta", index=0, delta={"message": {"content": {"text": text}}})

    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield event("message-start", id=_uuid(number), delta={"message": message})
    yield event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
    yield words("Hello")
    yield words(" ")
    yield words("world")
    yield event("content-end", index=0)
    yield event("message-end", delta={"finish_reason": "COMPLETE", "usage": COHERE_USAGE})
    yield b"data: [DONE]\n\n"


def _cohere_v1_stream(number: int) -> Iterator[bytes]:
    def line(kind: str, **more: Any) -> bytes:
        return json.dumps({"event_type": kind, "is_finished": kind == "stream-end", **more}).encode() + b"\n"

    yield line("stream-start", generation_id=_uuid(number))
    for text in ("He", "llo", " ", "world"):
        yield line("text-generation", text=text)
    yield line("stream-end", finish_reason="COMPLETE", response=_cohere_v1(number))


def _cohere_v1(number: int) -> dict[str, Any]:
    return {
        "response_id": _uuid(number + 1_000_000),
        "text": "Hello world",
        "generation_id": _uuid(number),
        "chat_history": [],
        "finish_reason": "COMPLETE",
        "meta": {"api_version": {"version": "1"}, **COHERE_USAGE},
    }


def _response(model: str, number: int, status: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    text = {"type": "output_text", "text": "Hello world", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return {
        "id": f"resp_{number:048x}",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "model": model,
        "output": [] if usage is None else [item],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    }


def _message(model: str, number: int, content: list[Any], usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{number:024}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "end_turn" if content else None,
        "stop_sequence": None,
        "usage": usage,
    }


def _content(path: str, number: int, text: str, usage: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": reason} if reason else {})],
        "usageMetadata": usage,
        "modelVersion": path.rpartition("/")[2].partition(":")[0],
        "responseId": f"response-{number:014}",
    }


def _is_mistral(model: str) -> bool:
    return model.startswith(("mistral", "codestral"))


def _uuid(number: int) -> str:
    return f"c0ffee00-0000-4000-8000-{number:012}"


def _event(data: dict[str, Any], name: str | None = None) -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"
