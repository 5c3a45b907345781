"""The answers of the simulated vendors, whole and as streams, from their public documentation.

- OpenAI: https://platform.openai.com/docs/api-reference
- Anthropic: https://docs.anthropic.com/en/api/messages-streaming
- Google: https://ai.google.dev/api/generate-content
- Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import random
import string
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.clients import usage
from tests.clients.usage import Tokens

TEXT = "The capital of France is Paris."
_BASE62 = string.ascii_letters + string.digits

Json = dict[str, Any]


class Asked(NamedTuple):
    """A request: its kind, such as `messages`, the model, and the body."""

    kind: str
    model: str
    body: Json
    streams: bool


class Wanted(NamedTuple):
    """What a request wants back: a text, or the arguments of a tool."""

    text: str
    tool: str | None = None


def response_id(kind: str) -> str | None:
    """A new id of the length and form of the vendor's; None where the answer has none."""
    if kind in ("chat", "completions"):
        return "chatcmpl-" + "".join(random.choices(_BASE62, k=29))
    if kind == "responses":
        return f"resp_{random.getrandbits(200):050x}"
    if kind == "messages":
        return "msg_01" + "".join(random.choices(_BASE62, k=22))
    if kind == "gemini":
        return "".join(random.choices(_BASE62 + "-_", k=22))
    return str(uuid.uuid4()) if kind == "converse" else None


def whole(asked: Asked, own_id: str | None, tokens: Tokens) -> Json:
    """The body of an answer."""
    model = usage.answering(asked.model)
    wanted = _wanted(asked)
    match asked.kind:
        case "chat":
            return _completion(model, own_id, wanted, tokens)
        case "responses":
            return _response(model, own_id, "completed", [_output_item(wanted)], usage.openai_responses(tokens))
        case "embeddings":
            return _embeddings(asked, tokens)
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
    wanted = _wanted(asked)
    match asked.kind:
        case "chat":
            yield from _chat_stream(asked.body, model, own_id, wanted, tokens)
        case "responses":
            yield from _responses_stream(model, own_id, wanted, tokens)
        case "messages":
            yield from _messages_stream(model, own_id, wanted, tokens)
        case "gemini":
            # The counts of the output grow.
            begun = Tokens(tokens.input, tokens.reasoning + 1, tokens.cache_read, reasoning=tokens.reasoning)
            yield _event(_gemini(model, own_id, Wanted(TEXT[:10]), begun))
            yield _event(_gemini(model, own_id, Wanted(TEXT[10:]), tokens, "STOP"))
        case _:
            raise AssertionError(f"no vendor streams {asked.kind}")


def refusal(kind: str, status: int) -> Json:
    """The body of an answer with an error status."""
    if kind == "messages":
        return {
            "type": "error",
            "error": {"type": "overloaded_error" if status >= 500 else "invalid_request_error", "message": "No"},
            "request_id": "req_011" + "".join(random.choices(_BASE62, k=21)),
        }
    if kind == "gemini":
        return {"error": {"code": status, "message": "No", "status": "INVALID_ARGUMENT"}}
    if kind == "converse":
        return {"message": "No"}
    return {"error": {"message": "No", "type": "invalid_request_error", "param": None, "code": "invalid_prompt"}}


def _wanted(asked: Asked) -> Wanted:
    """A tool's arguments if a tool is demanded or the prompt asks for one, JSON for a schema, or else a text."""
    body = asked.body
    tools = _tools(asked)
    choice = json.dumps(body.get("tool_choice") or body.get("toolConfig", {}))
    prompt = json.dumps(body.get("messages") or body.get("input") or body.get("contents") or "")
    answered = '"tool_result"' in prompt or '"role": "tool"' in prompt or "function_call_output" in prompt
    demanded = any(word in choice for word in ('"any"', '"required"', '"tool"', '"function"', '"ANY"'))
    if tools and (demanded or ("use the tool" in prompt and not answered)):
        name, schema = next(((name, each) for name, each in tools.items() if f'"{name}"' in choice), _last(tools))
        return Wanted(json.dumps(_instance(schema)), name)
    form = _schema(body)
    return Wanted(TEXT if form is None else json.dumps(_instance(form)))


def _last(tools: Mapping[str, Json]) -> tuple[str, Json]:
    return list(tools.items())[-1]


def _tools(asked: Asked) -> dict[str, Json]:
    """The schemas of the offered tools by their names."""
    found: dict[str, Json] = {}
    for tool in asked.body.get("tools") or []:
        for declared in tool.get("functionDeclarations") or [tool.get("function") or tool]:
            if "name" in declared:
                schema = declared.get("parameters") or declared.get("input_schema") or {}
                found[declared["name"]] = declared.get("parametersJsonSchema") or schema
    return found


def _schema(body: Json) -> Json | None:
    """The schema that the answer must have."""
    chat: Json = body.get("response_format") or {}
    responses: Json = (body.get("text") or {}).get("format") or {}
    messages: Json = body.get("output_format") or (body.get("output_config") or {}).get("format") or {}
    gemini: Json = body.get("generationConfig") or {}
    found = (
        (chat.get("json_schema") or {}).get("schema")
        or responses.get("schema")
        or messages.get("schema")
        or gemini.get("responseSchema")
        or gemini.get("responseJsonSchema")
    )
    return found if isinstance(found, dict) else None


def _instance(schema: Json, root: Json | None = None) -> Any:
    """A value that fits a schema."""
    root = schema if root is None else root
    if "$ref" in schema:
        return _instance(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for options in ("anyOf", "oneOf", "allOf"):
        if options in schema:
            return _instance(schema[options][0], root)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = str(kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: _instance(each, root) for name, each in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [_instance(schema.get("items") or {"type": "string"}, root)]
    return {"string": "Paris", "integer": 3, "number": 3.5, "boolean": True}.get(kind)


def _event(data: Any, name: str | None = None) -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


# OpenAI


def _completion(model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Json:
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
    own_id = "call_" + "".join(random.choices(_BASE62, k=24))
    return {"id": own_id, "type": "function", "function": {"name": wanted.tool, "arguments": wanted.text}}


def _chat_stream(body: Json, model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Iterator[bytes]:
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
        return _event({**chunk, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

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
        yield _event({**chunk, "choices": [], "usage": usage.openai_chat(tokens)})
    yield b"data: [DONE]\n\n"


def _output_item(wanted: Wanted) -> Json:
    if wanted.tool:
        return {
            "id": f"fc_{random.getrandbits(200):050x}",
            "type": "function_call",
            "status": "completed",
            "arguments": wanted.text,
            "call_id": "call_" + "".join(random.choices(_BASE62, k=24)),
            "name": wanted.tool,
        }
    return {
        "id": f"msg_{random.getrandbits(200):050x}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": wanted.text}],
    }


def _response(model: str, own_id: str | None, status: str, output: list[Json], used: Json | None) -> Json:
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


def _responses_stream(model: str, own_id: str | None, wanted: Wanted, tokens: Tokens) -> Iterator[bytes]:
    place = 0

    def event(kind: str, **more: Any) -> bytes:
        nonlocal place
        place += 1
        return _event({"type": kind, "sequence_number": place - 1, **more}, kind)

    item = _output_item(wanted)
    where = {"item_id": item["id"], "output_index": 0}
    yield event("response.created", response=_response(model, own_id, "in_progress", [], None))
    yield event("response.in_progress", response=_response(model, own_id, "in_progress", [], None))
    if wanted.tool:
        empty = {**item, "arguments": "", "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=empty)
        yield event("response.function_call_arguments.delta", **where, delta=wanted.text)
        yield event("response.function_call_arguments.done", **where, arguments=wanted.text, name=wanted.tool)
    else:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        empty = {**item, "content": [], "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=empty)
        yield event("response.content_part.added", **where, content_index=0, part=part)
        for text in (wanted.text[:10], wanted.text[10:]):
            yield event("response.output_text.delta", **where, content_index=0, delta=text, logprobs=[])
        yield event("response.output_text.done", **where, content_index=0, text=wanted.text, logprobs=[])
        full = {**part, "text": wanted.text}
        yield event("response.content_part.done", **where, content_index=0, part=full)
    yield event("response.output_item.done", output_index=0, item=item)
    whole = _response(model, own_id, "completed", [item], usage.openai_responses(tokens))
    yield event("response.completed", response=whole)


def _embeddings(asked: Asked, tokens: Tokens) -> Json:
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


# Anthropic


def _block(wanted: Wanted) -> Json:
    if wanted.tool:
        own_id = "toolu_01" + "".join(random.choices(_BASE62, k=22))
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
    def event(kind: str, **more: Any) -> bytes:
        return _event({"type": kind, **more}, kind)

    used = usage.anthropic(tokens)
    yield event("message_start", message=_message(model, own_id, [], None, {**used, "output_tokens": 1}))
    block = _block(wanted)
    if wanted.tool:
        yield event("content_block_start", index=0, content_block={**block, "input": {}})
        deltas = [{"type": "input_json_delta", "partial_json": wanted.text}]
    else:
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas = [{"type": "text_delta", "text": text} for text in (wanted.text[:10], wanted.text[10:])]
    yield event("ping")
    for delta in deltas:
        yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    reason = "tool_use" if wanted.tool else "end_turn"
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    final = {name: used[name] for name in names}
    yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=final)
    yield event("message_stop")


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
        own_id = "tooluse_" + "".join(random.choices(_BASE62, k=22))
        return {"toolUse": {"toolUseId": own_id, "name": wanted.tool, "input": json.loads(wanted.text)}}
    return {"text": wanted.text}
