"""Generates what is made of the OpenAPI document: docs/reference/, and the copy that the dashboard is built with.

./run.sh docs            writes the files
./run.sh docs --check    writes nothing, and fails if one is out of date
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from config import Settings
from main import create_app

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
OPENAPI = ROOT / "dashboard" / "openapi.json"
Json = dict[str, Any]
_GUIDE = "../../API_SPEC.md"
_INDEX = "README.md"
_REFERRED = re.compile(r'"#/components/schemas/(\w+)"')
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
    """The fragment of a link to a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def files(openapi: Json) -> dict[Path, str]:
    """The text of every generated file."""
    pages = Reference(openapi).pages()
    return {OPENAPI: written(openapi), **{REFERENCE / name: text for name, text in pages.items()}}


def outdated(openapi: Json) -> list[Path]:
    """The generated files that differ from what they should be, are missing, or should not be there."""
    wanted = files(openapi)
    return [
        *(path for path, text in wanted.items() if not path.exists() or path.read_text() != text),
        *(path for path in REFERENCE.glob("*") if path not in wanted),
    ]


class Reference:
    """Renders the pages of one OpenAPI document: a page for each tag, and an index with the types they share.

    A request body is described where it is sent. Every other type is on the page that uses it.
    """

    def __init__(self, openapi: Json) -> None:
        self._operations = operations(openapi)
        self._schemas: dict[str, Json] = openapi["components"]["schemas"]
        self._tags: dict[str, str] = {tag["name"]: tag["description"] for tag in openapi["tags"]}
        self._standard = self._most_frequent_errors()
        users: dict[str, set[str]] = {}
        # Where each type is described: the page and the heading.
        self._places: dict[str, tuple[str, str]] = {}
        for heading, operation in self._operations.items():
            for name in self._used_by(operation):
                users.setdefault(name, set()).add(_page(operation["tags"][0]))
            body = _content(operation.get("requestBody", {}))
            if "$ref" in body:
                self._places.setdefault(_name(body), (_page(operation["tags"][0]), heading))
        self._types: dict[str, list[str]] = {}
        for name in sorted(users.keys() - self._places.keys()):
            (page, *others) = users[name]
            page = _INDEX if others else page
            self._places[name] = (page, name)
            self._types.setdefault(page, []).append(name)

    def pages(self) -> dict[str, str]:
        """The text of every page by the name of its file."""
        return {_INDEX: self._index(), **{_page(tag): self._tag(tag) for tag in self._tags}}

    def _index(self) -> str:
        parts = [
            "# API reference\n",
            f"Generated from the OpenAPI document by `./run.sh docs`. The [guide]({_GUIDE}) explains the API with "
            "examples.\n",
        ]
        for tag, description in self._tags.items():
            rows = (
                (f"[{heading}]({_page(tag)}#{anchor(heading)})", operation["summary"], _needs(operation))
                for heading, operation in self._of_tag(tag)
            )
            parts += [f"## {_title(tag)}\n", f"{description}.\n", _table(("endpoint", "purpose", "needs"), rows)]
        parts += ["## Shared types\n", *(self._type(name, _INDEX) for name in self._types[_INDEX])]
        return "\n".join(parts)

    def _tag(self, tag: str) -> str:
        page = _page(tag)
        parts = [
            f"# Reference: {tag}\n",
            f"{self._tags[tag]}. This page is generated; the [guide]({_GUIDE}) explains the API with examples.\n",
        ]
        parts += [part for heading, operation in self._of_tag(tag) for part in self._operation(heading, operation)]
        types = self._types.get(page, ())
        if types:
            parts += ["## Types\n", "Every field is present; one without a value is `null`.\n"]
        return "\n".join((*parts, *(self._type(name, page) for name in types)))

    def _of_tag(self, tag: str) -> Iterator[tuple[str, Json]]:
        for heading, operation in self._operations.items():
            if operation["tags"][0] == tag:
                yield heading, operation

    def _operation(self, heading: str, operation: Json) -> Iterator[str]:
        page = _page(operation["tags"][0])
        yield f"## {heading}\n"
        yield f"{operation['summary']}. Needs {_needs(operation)}.\n"
        if "parameters" in operation:
            rows = [
                (f"`{p['name']}` ({p['in']})", *self._input(p["schema"], page, required=p["required"], nullable=False))
                for p in operation["parameters"]
            ]
            yield _table(("parameter", "type", "default", "meaning"), rows)
        if "requestBody" in operation:
            body = _content(operation["requestBody"])
            schema = self._schemas[_name(body)] if "$ref" in body else body
            required = schema.get("required", ())
            fields = schema.get("properties") or {"the body": schema}
            rows = [
                (f"`{field}`", *self._input(value, page, required=field in required)) for field, value in fields.items()
            ]
            yield _table(("body field", "type", "default", "meaning"), rows)
        answers = sorted(operation["responses"].items())
        own = ((s, *self._answer(answer, page)) for s, answer in answers if not self._is_standard(s, answer))
        yield _table(("status", "answer", "meaning"), own)
        standard = [status for status, answer in answers if self._is_standard(status, answer)]
        if standard:
            yield f"[Errors]({_GUIDE}#errors): {', '.join(standard)}.\n"

    def _most_frequent_errors(self) -> dict[str, str]:
        """The usual description of each error status."""
        counts: dict[str, Counter[str]] = {}
        for operation in self._operations.values():
            for status, answer in operation["responses"].items():
                counts.setdefault(status, Counter())[answer["description"]] += 1
        return {status: counted.most_common(1)[0][0] for status, counted in counts.items()}

    def _is_standard(self, status: str, answer: Json) -> bool:
        schema = _content(answer)
        is_problem = "$ref" in schema and _name(schema) == "Problem"
        return is_problem and answer["description"] == self._standard[status]

    def _used_by(self, operation: Json) -> set[str]:
        used: set[str] = set()
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            self._collect(_content(part), used)
        return used

    def _collect(self, schema: Any, used: set[str]) -> None:
        """Adds the names of the schemas that a schema refers to."""
        for name in _REFERRED.findall(json.dumps(schema)):
            if name not in used:
                used.add(name)
                self._collect(self._schemas[name], used)

    def _type(self, name: str, page: str) -> str:
        schema = self._schemas[name]
        rows = [
            (f"`{field}`", self._kind(value, page), value.get("description", ""))
            for field, value in schema.get("properties", {}).items()
        ]
        table = "\n" + _table(("field", "type", "meaning"), rows) if rows else ""
        return f"### {name}\n\n{_line(schema.get('description', ''))}\n{table}"

    def _input(self, schema: Json, page: str, *, required: bool, nullable: bool = True) -> tuple[str, str, str]:
        kind = self._kind(schema, page)
        default = f"`{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""
        return (
            kind if nullable else kind.removesuffix(" or null"),
            "required" if required else default,
            schema.get("description", ""),
        )

    def _answer(self, answer: Json, page: str) -> tuple[str, str]:
        schema = _content(answer)
        if not schema:
            return ", ".join(f"`{kind}`" for kind in answer.get("content", ())) or "no body", _said(answer)
        if "$ref" not in schema:
            return str(schema.get("title") or self._kind(schema, page)), _said(answer)
        return self._kind(schema, page), _said(answer) or self._schemas[_name(schema)].get("description", "")

    def _kind(self, schema: Json, page: str) -> str:
        """A schema's type in words."""
        if "$ref" in schema:
            name = _name(schema)
            place, heading = self._places[name]
            return f"[{name}]({'' if place == page else place}#{anchor(heading)})"
        if "anyOf" in schema:
            return " or ".join(self._kind(choice, page) for choice in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
        kind = str(_FORMATS.get(schema.get("format", ""), schema.get("type", "")))
        values = schema.get("items") or _values(schema)
        return kind.replace("array", "list") + _bounds(schema) + (f" of {self._kind(values, page)}" if values else "")


def _page(tag: str) -> str:
    return f"{tag.replace(' ', '-')}.md"


def _title(tag: str) -> str:
    return tag[0].upper() + tag[1:]


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
    """The schema of an object's values, if all share one."""
    values = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
    return values if isinstance(values, dict) else None


def _needs(operation: Json) -> str:
    """The permission for an operation: a scope, or one of several; a session; any token; or nothing."""
    security = operation.get("security", [{}])
    if {} in security:
        return "nothing"
    if "403" not in operation["responses"]:
        return "a token"
    return " or ".join(f"`{scopes['bearer'][0]}`" if scopes["bearer"] else "a session" for scopes in security)


def _said(answer: Json) -> str:
    """An answer's description, unless it is FastAPI's default."""
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
    """Writes the files, or names those that are out of date."""
    openapi = create_app(Settings(_env_file=None)).openapi()
    if "--check" in sys.argv[1:]:
        if paths := outdated(openapi):
            names = ", ".join(str(path.relative_to(ROOT)) for path in paths)
            sys.exit(f"Out of date: {names}. Run ./run.sh docs")
        return
    REFERENCE.mkdir(parents=True, exist_ok=True)
    wanted = files(openapi)
    for path in outdated(openapi):
        if path in wanted:
            path.write_text(wanted[path])
        else:
            path.unlink()


if __name__ == "__main__":
    main()
