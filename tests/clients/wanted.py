"""What a request wants back, whichever vendor it is for."""

import json
import random
import string
from collections.abc import Mapping
from typing import Any, NamedTuple

TEXT = "The capital of France is Paris."
_LETTERS = string.ascii_letters + string.digits

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


def wanted_by(asked: Asked) -> Wanted:
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


def letters(count: int, more: str = "") -> str:
    """Random letters and digits, as in the vendors' ids."""
    return "".join(random.choices(_LETTERS + more, k=count))


def event(data: Any, name: str | None = None) -> bytes:
    """An event of a stream."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"
