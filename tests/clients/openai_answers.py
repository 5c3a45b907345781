"""The answers of OpenAI (https://platform.openai.com/docs/api-reference), whole and as streams."""

import random
import time
from collections.abc import Iterator
from typing import Any

from tests.clients import usage
from tests.clients.usage import Tokens
from tests.clients.wanted import Asked, Json, Wanted, event, letters


def completion(model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Json:
    """A chat completion."""
    message: Json = {"role": "assistant", "content": wanted.text, "refusal": None, "annotations": []}
    if wanted.tool:
        message |= {"content": None, "tool_calls": [_tool_call(wanted)]}
    return {
        "id": own_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "tool_calls" if wanted.tool else "stop",
            }
        ],
        "usage": usage.openai_chat(tokens),
        "service_tier": "default",
        "system_fingerprint": "fp_3eed281ddb",
    }


def _tool_call(wanted: Wanted) -> Json:
    own_id = "call_" + letters(24)
    return {"id": own_id, "type": "function", "function": {"name": wanted.tool, "arguments": wanted.text}}


def chat_stream(body: Json, model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Iterator[bytes]:
    """The events of a chat completion."""
    asked = (body.get("stream_options") or {}).get("include_usage", False)
    chunk = {
        "id": own_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_3eed281ddb",
        **({"usage": None} if asked else {}),
    }

    def choice(delta: Json, reason: str | None = None) -> bytes:
        return event({**chunk, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    if wanted.tool:
        call = _tool_call(wanted)
        yield choice({"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call}]})
        yield choice({}, "tool_calls")
    else:
        yield choice({"role": "assistant", "content": "", "refusal": None})
        yield choice({"content": wanted.text[:10]})
        yield choice({"content": wanted.text[10:]})
        yield choice({}, "stop")
    if asked:
        yield event({**chunk, "choices": [], "usage": usage.openai_chat(tokens)})
    yield b"data: [DONE]\n\n"


def output_item(wanted: Wanted) -> Json:
    """What a response answers."""
    if wanted.tool:
        return {
            "id": f"fc_{random.getrandbits(200):050x}",
            "type": "function_call",
            "status": "completed",
            "arguments": wanted.text,
            "call_id": "call_" + letters(24),
            "name": wanted.tool,
        }
    return {
        "id": f"msg_{random.getrandbits(200):050x}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": wanted.text}],
    }


def response(model: str, own_id: str | None, status: str, output: list[Json], used: Json | None) -> Json:
    """A response of the Responses API; `used` is its usage."""
    return {
        "id": own_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": used,
        "user": None,
    }


def responses_stream(model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Iterator[bytes]:
    """The events of a response."""
    place = 0

    def of_kind(kind: str, **more: Any) -> bytes:
        nonlocal place
        place += 1
        return event({"type": kind, "sequence_number": place - 1, **more}, kind)

    item = output_item(wanted)
    where = {"item_id": item["id"], "output_index": 0}
    yield of_kind("response.created", response=response(model, own_id, "in_progress", [], None))
    yield of_kind("response.in_progress", response=response(model, own_id, "in_progress", [], None))
    if wanted.tool:
        empty = {**item, "arguments": "", "status": "in_progress"}
        yield of_kind("response.output_item.added", output_index=0, item=empty)
        yield of_kind("response.function_call_arguments.delta", **where, delta=wanted.text)
        yield of_kind("response.function_call_arguments.done", **where, arguments=wanted.text, name=wanted.tool)
    else:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        empty = {**item, "content": [], "status": "in_progress"}
        yield of_kind("response.output_item.added", output_index=0, item=empty)
        yield of_kind("response.content_part.added", **where, content_index=0, part=part)
        for text in (wanted.text[:10], wanted.text[10:]):
            yield of_kind("response.output_text.delta", **where, content_index=0, delta=text, logprobs=[])
        yield of_kind("response.output_text.done", **where, content_index=0, text=wanted.text, logprobs=[])
        full = {**part, "text": wanted.text}
        yield of_kind("response.content_part.done", **where, content_index=0, part=full)
    yield of_kind("response.output_item.done", output_index=0, item=item)
    whole = response(model, own_id, "completed", [item], usage.openai_responses(tokens))
    yield of_kind("response.completed", response=whole)


def embeddings(asked: Asked, tokens: Tokens) -> Json:
    """Embeddings of all texts of the request."""
    given = asked.body.get("input")
    # A list of numbers is one text in tokens.
    texts = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    # A client that asks for base64 decodes it to numbers of four bytes.
    vector: Any = "AACAPwAAAD8AAIA+" if asked.body.get("encoding_format") == "base64" else [1.0, 0.5, 0.25]
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, _ in enumerate(texts)],
        "model": usage.answering(asked.model),
        "usage": usage.openai_embeddings(tokens),
    }
