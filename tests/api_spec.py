"""What is made of the OpenAPI document: the tables of API_SPEC.md, and the copy that the dashboard is built with.

`python -m tests.api_spec` writes them anew; with `--check` it writes nothing and fails if they are not up to date.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from main import create_app

ROOT = Path(__file__).parent.parent
API_SPEC = ROOT / "API_SPEC.md"
OPENAPI = ROOT / "dashboard" / "openapi.json"
Json = dict[str, Any]
_PART = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_REFERENCE = re.compile(r'"#/components/schemas/(\w+)"')
_FORMATS = {"date-time": "time", "date": "date", "uuid": "UUID"}
_BOUNDS = (("Length", " characters"), ("Items", ""), ("Properties", " entries"), ("imum", ""))


def operations(openapi: Json) -> dict[str, Json]:
    """Every operation by its heading, such as "GET /api/budgets"."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def written(openapi: Json) -> str:
    """The document as the dashboard has it."""
    return json.dumps(openapi, indent=2) + "\n"


def anchor(heading: str) -> str:
    """What a link to a heading says behind the #."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class Tables:
    """Renders the parts of one OpenAPI document."""

    def __init__(self, openapi: Json) -> None:
        self._operations = operations(openapi)
        self._schemas: dict[str, Json] = openapi["components"]["schemas"]
        # A request body is described where it is sent, everything else among the types.
        self._bodies: dict[str, str] = {}
        for heading, operation in self._operations.items():
            if "$ref" in _content(operation.get("requestBody", {})):
                self._bodies.setdefault(_name(_content(operation["requestBody"])), heading)

    def render(self, text: str) -> str:
        """The document with every generated part made anew."""
        return _PART.sub(lambda part: f"{part[1]}{self._part(part[2])}{part[3]}", text)

    def _part(self, name: str) -> str:
        if name == "endpoints":
            return self._endpoints()
        return self._types() if name == "types" else self._operation(self._operations[name])

    def _endpoints(self) -> str:
        return _table(
            ("endpoint", "what it does", "needs"),
            (
                (f"[{heading}](#{anchor(heading)})", operation["summary"], _needs(operation))
                for heading, operation in self._operations.items()
            ),
        )

    def _operation(self, operation: Json) -> str:
        parts = [f"{operation['summary']}. Needs {_needs(operation)}.\n"]
        if "parameters" in operation:
            rows = [
                (f"`{p['name']}` ({p['in']})", *self._input(p["schema"], required=p["required"], nullable=False))
                for p in operation["parameters"]
            ]
            parts.append(_table(("parameter", "type", "default", "meaning"), rows))
        if "requestBody" in operation:
            said = _content(operation["requestBody"])
            schema = self._schemas[_name(said)] if "$ref" in said else said
            required = schema.get("required", ())
            fields = schema.get("properties") or {"the body": schema}
            rows = [(f"`{field}`", *self._input(value, required=field in required)) for field, value in fields.items()]
            parts.append(_table(("body field", "type", "default", "meaning"), rows))
        answers = ((status, *self._answer(answer)) for status, answer in sorted(operation["responses"].items()))
        parts.append(_table(("status", "answer", "meaning"), answers))
        return "\n".join(parts)

    def _types(self) -> str:
        used: set[str] = set()
        for operation in self._operations.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                self._collect(_content(part), used)
        return "\n".join(self._type(name) for name in sorted(used - self._bodies.keys()))

    def _collect(self, schema: Any, used: set[str]) -> None:
        """Adds the names of the schemas that a schema refers to."""
        for name in _REFERENCE.findall(json.dumps(schema)):
            if name not in used:
                used.add(name)
                self._collect(self._schemas[name], used)

    def _type(self, name: str) -> str:
        schema = self._schemas[name]
        rows = [
            (f"`{field}`", self._kind(value), value.get("description", ""))
            for field, value in schema.get("properties", {}).items()
        ]
        table = "\n" + _table(("field", "type", "meaning"), rows) if rows else ""
        return f"#### {name}\n\n{_line(schema.get('description', ''))}\n{table}"

    def _input(self, schema: Json, *, required: bool, nullable: bool = True) -> tuple[str, str, str]:
        kind = self._kind(schema)
        default = f"`{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""
        return (
            kind if nullable else kind.removesuffix(" or null"),
            "required" if required else default,
            schema.get("description", ""),
        )

    def _answer(self, answer: Json) -> tuple[str, str]:
        schema = _content(answer)
        if not schema:
            return ", ".join(f"`{kind}`" for kind in answer.get("content", ())) or "no body", _said(answer)
        if "$ref" not in schema:
            return str(schema.get("title") or self._kind(schema)), _said(answer)
        return self._kind(schema), _said(answer) or self._schemas[_name(schema)].get("description", "")

    def _kind(self, schema: Json) -> str:
        """A schema's type in words."""
        if "$ref" in schema:
            name = _name(schema)
            return f"[{name}](#{anchor(self._bodies.get(name, name))})"
        if "anyOf" in schema:
            return " or ".join(self._kind(choice) for choice in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
        kind = str(_FORMATS.get(schema.get("format", ""), schema.get("type", "")))
        values = schema.get("items") or _values(schema)
        return kind.replace("array", "list") + _bounds(schema) + (f" of {self._kind(values)}" if values else "")


def _bounds(schema: Json) -> str:
    for suffix, unit in _BOUNDS:
        above, low, high = (schema.get(word + suffix) for word in ("exclusiveMin", "min", "max"))
        if high is None:
            continue
        if above is not None:
            return f" (above {above:,.0f}, at most {high:,.0f}{unit})"
        return f" (at most {high:,.0f}{unit})" if low is None else f" ({low:,.0f} to {high:,.0f}{unit})"
    return ""


def _values(schema: Json) -> Json | None:
    """What the values of an object must be, if all must be the same."""
    values = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
    return values if isinstance(values, dict) else None


def _needs(operation: Json) -> str:
    """What an operation needs: a scope, or one of several; a session; any token; or nothing."""
    security = operation.get("security", [{}])
    if {} in security:
        return "nothing"
    if "403" not in operation["responses"]:
        return "a token"
    return " or ".join(f"`{scopes['bearer'][0]}`" if scopes["bearer"] else "a session" for scopes in security)


def _said(answer: Json) -> str:
    """What an answer's description says, if it is not the one that all get."""
    said = str(answer["description"])
    return "" if said == "Successful Response" else said


def _content(part: Json) -> Json:
    """The schema of a body, empty if there is none or it is not JSON."""
    for content in part.get("content", {}).values():
        schema: Json = content.get("schema", {})
        return schema
    return {}


def _name(reference: Json) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join("| " + " | ".join(_line(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Brings the files up to date, or says which one is not."""
    openapi = create_app().openapi()
    for path, text in ((API_SPEC, Tables(openapi).render(API_SPEC.read_text())), (OPENAPI, written(openapi))):
        if path.read_text() == text:
            continue
        if "--check" in sys.argv:
            sys.exit(f"{path.relative_to(ROOT)} is not up to date; run: python -m tests.api_spec")
        path.write_text(text)


if __name__ == "__main__":
    main()
