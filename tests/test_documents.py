"""The documents are true: settings, paths, links, tables and examples are compared with the program."""

import argparse
import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from config import Settings
from tests.conftest import client_of, running, settings_for
from tools.docs import REFERENCE, anchor, operations, outdated

ROOT = Path(__file__).parent.parent
# The number of lines that a document may have.
LIMITS = {"README.md": 200, "API_SPEC.md": 1_600, "docs/design.md": 200}
WRITTEN = [ROOT / "README.md", ROOT / "API_SPEC.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = [ROOT / room / "README.md" for room in ("cli", "dashboard", "sdk")]
TEXTS = {path: path.read_text() for path in (*WRITTEN, *sorted(REFERENCE.glob("*.md")), *OTHERS)}
GUIDE = TEXTS[ROOT / "API_SPEC.md"]
OPERATING = TEXTS[ROOT / "docs" / "operating.md"]
# Names of groups of paths.
GROUPS = {"/api/auth", "/api/costs", "/api/metrics"}
_EXAMPLE = re.compile(r"```bash\n(.*?)```\n(?:\n`(\d{3})`\n)?(?:\n```(?:json|text)\n(.*?)```)?", re.DOTALL)


@pytest.fixture
async def visitor(url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a new server with the default limits, for the examples."""
    changes = {"rate_limit_per_minute": 100, "metrics_token": "at-least-16-characters"}
    settings = settings_for(tmp_path, database_url=url, **changes)
    async with running(settings) as app, client_of(app) as client:
        yield client


# Settings


def test_the_example_settings_are_all_settings_with_their_defaults() -> None:
    example = ROOT / ".env.example"
    names = re.findall(r"^(\w+)=", example.read_text(), re.MULTILINE)
    assert names == [name.upper() for name in Settings.model_fields]
    assert Settings(_env_file=example) == Settings()


def test_the_settings_in_the_documents_have_these_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? *\|", section(OPERATING, "## Settings"), re.MULTILINE)
    assert len(rows) >= 10
    defaults = Settings().model_dump()
    for name, default in rows:
        value = defaults[name.lower()]
        assert default == ("" if value in (None, []) else str(value)), name


# Names exist


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_commands_in_the_documents_exist(path: Path) -> None:
    for verb in re.findall(r"\./run\.sh (\w+)", TEXTS[path]):
        assert f"\n  {verb})\n" in (ROOT / "run.sh").read_text(), verb


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_links_are_valid(path: Path) -> None:
    for target in re.findall(r"\]\((?!https://)([^)]+)\)", TEXTS[path]):
        name, _, fragment = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert [anchor(heading) for heading in headings].count(fragment) == 1, target


def test_names_in_the_design_exist() -> None:
    """A name in code font is a path of the project, a request, or words of its sources."""
    rooms = ("channels", "engines", "providers", "queries", "roads", "routes", "schemas", "tests", "tools", "utils")
    paths = [*ROOT.glob("*.py"), *(ROOT / "supabase" / "schemas").glob("*.sql")]
    paths += [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    words = {word for path in paths for word in re.findall(r"\w+", path.read_text())}
    for name in re.findall(r"`([^`\n]+)`", TEXTS[ROOT / "docs" / "design.md"]):
        if re.match(r"[A-Z]+ /", name):
            continue
        if "/" in name or name.endswith(".py"):
            assert (ROOT / name.split(" ")[0]).exists(), name
        else:
            assert {*re.findall(r"\w+", name)} <= words, name


@pytest.mark.parametrize("name", LIMITS)
def test_documents_stay_short(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= LIMITS[name]


async def test_the_generated_files_are_up_to_date(visitor: httpx.AsyncClient) -> None:
    openapi = (await visitor.get("/openapi.json")).json()
    assert [name_of(path) for path in outdated(openapi)] == [], "run ./run.sh docs"


async def test_the_guide_links_every_page_and_names_existing_paths(visitor: httpx.AsyncClient) -> None:
    openapi = (await visitor.get("/openapi.json")).json()
    pages = re.findall(r"^Reference: \[.+?\]\(docs/reference/(.+?)\)", GUIDE, re.MULTILINE)
    assert sorted([*pages, "README.md"]) == sorted(path.name for path in REFERENCE.glob("*.md"))
    known = {*operations(openapi)}
    for heading in re.findall(r"^#+ ([A-Z]+ /.*)$", GUIDE, re.MULTILINE):
        assert heading in known
    for path in re.findall(r"`(?:(?:GET|POST|PUT|PATCH|DELETE) )?(/api/[^`?]+)`", GUIDE):
        assert path.rstrip("/") in openapi["paths"] or path in GROUPS, path


# Examples


class Example(NamedTuple):
    """Shell commands of a document, the status they are said to get and the answer printed under them."""

    commands: list[str]
    status: int | None
    printed: str | None


class Shell:
    """Runs the curl commands of a document against the application, and keeps what they put into variables."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._variables: dict[str, str] = {}

    async def run(self, command: str) -> tuple[int | None, str]:
        """The status of the answer, if there was one, and what the command prints."""
        assigned = re.fullmatch(r"(\w+)=(?:\$\((.*)\)|(\S+))", command, re.DOTALL)
        if assigned is None:
            return await self._pipe(command)
        name, inner, value = assigned.groups()
        status, printed = (None, value) if inner is None else await self._pipe(inner)
        self._variables[name] = printed.strip()
        return status, ""

    async def _pipe(self, command: str) -> tuple[int, str]:
        words = shlex.split(re.sub(r"\$(\w+)", lambda name: self._variables[name[1]], command))
        if "|" not in words:
            return await self._curl(words)
        cut = words.index("|")
        status, printed = await self._curl(words[:cut])
        python, *arguments = words[cut + 1 :]
        assert python == "python3"
        return status, subprocess.run(
            [sys.executable, *arguments], input=printed, capture_output=True, text=True, check=True
        ).stdout

    async def _curl(self, words: list[str]) -> tuple[int, str]:
        parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
        parser.add_argument("program", choices=["curl"])
        parser.add_argument("-s", action="store_true", required=True)
        parser.add_argument("-N", action="store_true")
        parser.add_argument("-X", dest="method")
        parser.add_argument("-H", dest="headers", action="append", default=[])
        parser.add_argument("-d", dest="body")
        parser.add_argument("-o", dest="output", choices=["/dev/null"])
        parser.add_argument("-w", dest="written", choices=["%{http_code}\\n"], default="")
        parser.add_argument("url", type=httpx.URL)
        asked = parser.parse_args(words)
        assert (asked.url.scheme, asked.url.host, asked.url.port) == ("http", "127.0.0.1", 8000)
        headers = httpx.Headers([tuple(header.split(": ", 1)) for header in asked.headers])
        if asked.body is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        response = await self._client.request(
            asked.method or ("GET" if asked.body is None else "POST"),
            asked.url.raw_path.decode(),
            headers=headers,
            content=asked.body,
        )
        printed = "" if asked.output else response.text
        return response.status_code, printed + (f"{response.status_code}\n" if asked.written else "")


def examples(text: str) -> Iterator[Example]:
    """The blocks of commands that talk to the server, each with the status and the answer printed under it."""
    for block, status, printed in _EXAMPLE.findall(text):
        if "curl" in block or "LLMLAB=" in block:
            yield Example(list(commands(block)), int(status) if status else None, printed or None)


def commands(block: str) -> Iterator[str]:
    """The commands of a block; one continues after a backslash or a pipe, and in an open quote or parenthesis."""
    command = ""
    for line in block.splitlines():
        command += line.removesuffix("\\") + "\n"
        if not line.endswith("\\") and not is_open(command):
            yield command.strip()
            command = ""
    assert not command, f"This command does not end: {command}"


def is_open(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return True
    command = command.rstrip()
    return command.endswith("|") or ("$(" in command and not command.endswith(")"))


def exactly(text: str) -> Any:
    """JSON with every digit."""
    return json.loads(text, parse_float=Decimal)


def shortened(came: Any, printed: Any) -> Any:
    """The answer, abbreviated to `...` where the document does, so that the rest can be compared."""
    if isinstance(came, dict) and isinstance(printed, dict):
        return {key: shortened(value, printed.get(key)) for key, value in came.items()}
    if isinstance(came, list) and isinstance(printed, list) and len(came) == len(printed):
        return [shortened(*pair) for pair in zip(came, printed, strict=True)]
    if isinstance(came, str) and isinstance(printed, str):
        pattern = ".+".join(re.escape(part) for part in printed.split("..."))
        return printed if re.fullmatch(pattern, came) else came
    return came


def section(text: str, heading: str) -> str:
    """The text under a heading, up to the next one of its level or a higher one."""
    level = heading.split(" ")[0]
    _, rest = text.split(f"\n{heading}\n", 1)
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("path", [path for path in WRITTEN if "curl -s" in TEXTS[path]], ids=name_of)
async def test_the_examples_print_what_the_documents_show(path: Path, visitor: httpx.AsyncClient) -> None:
    at = datetime.now(UTC)
    left = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - at
    if left < timedelta(minutes=2):
        # The examples use the current date.
        await asyncio.sleep(left.total_seconds() + 1)
    text, shell, compared = TEXTS[path], Shell(visitor), 0
    for example in examples(text):
        *before, (status, came) = [await shell.run(command) for command in example.commands]
        last = example.commands[-1]
        assert all(other is None or other < 300 for other, _ in before), last
        assert status is None or status == example.status or (example.status is None and status < 300), came
        if example.printed is None:
            continue
        compared += 1
        if came.startswith("{"):
            printed = exactly(example.printed)
            assert shortened(exactly(came), printed) == printed, last
        else:
            assert shortened(came, example.printed) == example.printed, last
    assert compared == len(re.findall(r"^```(?:json|text)\n(?!LLMLab)", text, re.MULTILINE))


def test_only_text_may_be_abbreviated() -> None:
    came = exactly('{"id": "01a1", "cost": 0.00036, "calls": [1, 2]}')
    assert shortened(came, {"id": "..."}) == {**came, "id": "..."}
    assert shortened(came, {"id": "01..."})["id"] == "01..."
    assert shortened(came, {"id": "02..."})["id"] == "01a1"
    assert shortened(came, {"cost": "..."})["cost"] == Decimal("0.00036")
    assert shortened(came, {"cost": Decimal("0.00037")})["cost"] == Decimal("0.00036")
    assert shortened(came, {"calls": [1]})["calls"] == [1, 2]
