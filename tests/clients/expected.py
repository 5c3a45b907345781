"""What LLMLab should have of each client's calls: the file `clients.toml`.

A call is expected as its vendor bills it, except for what the client does not report, which is named there with the
reason.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tests.clients import usage
from tests.clients.usage import Tokens
from tests.clients.vendor import Call

_FILE = Path(__file__).parent / "clients.toml"
_TABLES = {"environment", "package", "arguments", "ci", "cache_hits", "answers", "gaps"}
# A client without `exact_output` adds a token. Without `identity`, nothing connects two reports of a call.
_PARTS = {"call", "identity", "cache_read", "cache_write", "cache_write_1h", "reasoning", "exact_output"}


class Gap(NamedTuple):
    """What a client leaves out of its report of some calls: parts of their counts, or the `call`.

    `calls` are kinds of calls, such as `chat stream`, and numbers of calls in the run.
    """

    calls: list[str | int]
    lacks: frozenset[str]
    why: str


class Client(NamedTuple):
    """A row of the table: a program, and what should become of its calls."""

    name: str
    environment: str
    package: str
    arguments: list[str]
    # Whether it is one of those that CI runs.
    ci: bool
    # Answers from a cache of the client's, which are recorded and cost nothing.
    cache_hits: int
    # Calls that a run makes, refused ones included.
    answers: int
    gaps: list[Gap]


class Expected(NamedTuple):
    """What LLMLab should have of one call. `tokens` and `cost` are None for a failed one."""

    call: Call
    tokens: Tokens | None
    cost: Decimal | None
    # The events that it may have.
    events: int = 1


def clients() -> dict[str, Client]:
    """All clients by name, in the order of the file. Raises ValueError for an entry that cannot be right."""
    return {name: _client(name, table) for name, table in tomllib.loads(_FILE.read_text()).items()}


def expected(client: Client, call: Call) -> Expected | None:
    """What LLMLab should have of a call; None for one that the client does not report."""
    lacks = frozenset(part for gap in client.gaps if {kind(call), call.number} & {*gap.calls} for part in gap.lacks)
    if "call" in lacks:
        return None
    if call.tokens is None:
        return Expected(call, None, None, 1 + ("identity" in lacks))
    tokens = call.tokens
    if "cache_write_1h" in lacks:
        tokens = tokens._replace(cache_write=tokens.cache_write + tokens.cache_write_1h, cache_write_1h=0)
    if "cache_write" in lacks:
        tokens = tokens._replace(cache_write=0, cache_write_1h=0)
    if "exact_output" in lacks:
        tokens = tokens._replace(output=tokens.output + 1)
    tokens = tokens._replace(**{part: 0 for part in ("cache_read", "reasoning") if part in lacks})
    return Expected(call, tokens, usage.cost(call.model, tokens), 1 + ("identity" in lacks))


def kind(call: Call) -> str:
    """The kind of a call as gaps name it: `chat`, `chat stream`, `chat failed`."""
    return f"{call.kind} failed" if call.tokens is None else f"{call.kind} stream" if call.streamed else call.kind


def _client(name: str, table: Mapping[str, Any]) -> Client:
    unknown = table.keys() - _TABLES
    gaps = [Gap(each["calls"], frozenset(each["lacks"]), each["why"]) for each in table.get("gaps", ())]
    unknown |= {part for gap in gaps for part in gap.lacks} - _PARTS
    if unknown:
        raise ValueError(f"{_FILE}: {name} has unknown {', '.join(sorted(unknown))}")
    return Client(
        name=name,
        environment=table["environment"],
        package=table["package"],
        arguments=table.get("arguments", []),
        ci=table.get("ci", False),
        cache_hits=table.get("cache_hits", 0),
        answers=table["answers"],
        gaps=gaps,
    )
