"""The answers of the simulated vendors, whole and as streams, from their public documentation.

- OpenAI: `openai_answers`
- Anthropic: https://docs.anthropic.com/en/api/messages-streaming
- Google: https://ai.google.dev/api/generate-content
- Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

from tests.clients import openai_answers, usage
from tests.clients.usage import Tokens
from tests.clients.wanted import TEXT, Asked, Json, Wanted, event, letters, wanted_by


def response_id(kind: str) -> str | None:
    """A new id of the length and form of the vendor's; None where the answer has none."""
    if kind in ("chat", "completions"):
        return "chatcmpl-" + letters(29)
    if kind == "responses":
        return f"resp_{random.getrandbits(200):050x}"
    if kind == "messages":
        return "msg_01" + letters(22)
    if kind == "gemini":
        return letters(22, "-_")
    return str(uuid.uuid4()) if kind == "converse" else None


def whole(asked: Asked, own_id: str | None, tokens: Tokens) -> Json:
    """The body of an answer."""
    model = usage.answering(asked.model)
    wanted = wanted_by(asked)
    match asked.kind:
        case "chat":
            return openai_answers.completion(model, own_id, wanted, tokens)
        case "responses":
            output = [openai_answers.output_item(wanted)]
            return openai_answers.response(model, own_id, "completed", output, usage.openai_responses(tokens))
        case "embeddings":
            return openai_answers.embeddings(asked, tokens)
        case "messages":
            return _message(model, own_id, [_block(wanted)], wanted, usage.anthropic(tokens))
        case "gemini":
            return _gemini(model, own_id, wanted, tokens, "STOP")
        case "converse":
            return {
                "output": {"message": {"role": "assistant", "content": [_converse_part(wanted)]}},
                "stopReason": "tool_use" if wanted.tool else "end_turn",
                "usage": usage.bedrock(tokens),
                "metrics": {"latencyMs": 412},
            }
    raise AssertionError(f"no vendor answers {asked.kind}")


def stream(asked: Asked, own_id: str | None, tokens: Tokens) -> Iterator[bytes]:
    """The events of a stream."""
    model = usage.answering(asked.model)
    wanted = wanted_by(asked)
    match asked.kind:
        case "chat":
            yield from openai_answers.chat_stream(asked.body, model, own_id, wanted, tokens)
        case "responses":
            yield from openai_answers.responses_stream(model, own_id, wanted, tokens)
        case "messages":
            yield from _messages_stream(model, own_id, wanted, tokens)
        case "gemini":
            # The counts of the output grow.
            begun = Tokens(tokens.input, tokens.reasoning + 1, tokens.cache_read, reasoning=tokens.reasoning)
            yield event(_gemini(model, own_id, Wanted(TEXT[:10]), begun))
            yield event(_gemini(model, own_id, Wanted(TEXT[10:]), tokens, "STOP"))
        case _:
            raise AssertionError(f"no vendor streams {asked.kind}")


def refusal(kind: str, status: int) -> Json:
    """The body of an answer with an error status."""
    if kind == "messages":
        return {
            "type": "error",
            "error": {"type": "overloaded_error" if status >= 500 else "invalid_request_error", "message": "No"},
            "request_id": "req_011" + letters(21),
        }
    if kind == "gemini":
        return {"error": {"code": status, "message": "No", "status": "INVALID_ARGUMENT"}}
    if kind == "converse":
        return {"message": "No"}
    return {"error": {"message": "No", "type": "invalid_request_error", "param": None, "code": "invalid_prompt"}}


# Anthropic


def _block(wanted: Wanted) -> Json:
    if wanted.tool:
        own_id = "toolu_01" + letters(22)
        return {"type": "tool_use", "id": own_id, "name": wanted.tool, "input": json.loads(wanted.text)}
    return {"type": "text", "text": wanted.text}


def _message(model: str, own_id: str | None, content: list[Json], wanted: Wanted | None, used: Json) -> Json:
    return {
        "id": own_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None if wanted is None else "tool_use" if wanted.tool else "end_turn",
        "stop_sequence": None,
        "usage": used,
    }


def _messages_stream(model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Iterator[bytes]:
    def of_kind(kind: str, **more: Any) -> bytes:
        return event({"type": kind, **more}, kind)

    used = usage.anthropic(tokens)
    yield of_kind("message_start", message=_message(model, own_id, [], None, {**used, "output_tokens": 1}))
    block = _block(wanted)
    if wanted.tool:
        yield of_kind("content_block_start", index=0, content_block={**block, "input": {}})
        deltas = [{"type": "input_json_delta", "partial_json": wanted.text}]
    else:
        yield of_kind("content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas = [{"type": "text_delta", "text": text} for text in (wanted.text[:10], wanted.text[10:])]
    yield of_kind("ping")
    for delta in deltas:
        yield of_kind("content_block_delta", index=0, delta=delta)
    yield of_kind("content_block_stop", index=0)
    reason = "tool_use" if wanted.tool else "end_turn"
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    final = {name: used[name] for name in names}
    yield of_kind("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=final)
    yield of_kind("message_stop")


# Google and Bedrock


def _gemini(model: str, own_id: str | None, wanted: Wanted, tokens: Tokens, reason: str | None = None) -> Json:
    part: Json = {"text": wanted.text}
    if wanted.tool:
        part = {"functionCall": {"name": wanted.tool, "args": json.loads(wanted.text)}}
    candidate = {"content": {"parts": [part], "role": "model"}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": reason} if reason else {})],
        "usageMetadata": usage.gemini(tokens),
        "modelVersion": model,
        "responseId": own_id,
    }


def _converse_part(wanted: Wanted) -> Json:
    if wanted.tool:
        own_id = "tooluse_" + letters(22)
        return {"toolUse": {"toolUseId": own_id, "name": wanted.tool, "input": json.loads(wanted.text)}}
    return {"text": wanted.text}
