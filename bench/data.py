"""Sample events of an organisation's applications; apart from the dates, they are the same in every run.

Two projects call five models of three providers, mostly in business hours, with ten shapes of tags and metadata.
"""

import io
import math
from bisect import bisect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from database import Database
from engines.changes import Changes
from engines.events import EventEngine
from engines.pricing import PricingEngine
from engines.terms import TermsEngine
from providers import PriceBook
from schemas.events import EventBatch
from schemas.identities import ROLE_SCOPES, Identity
from schemas.settings import WorkspaceSettings
from utils import json
from utils.ids import uuid7
from utils.rate_limits import Buckets

DAYS = 90
# The rate of a workspace with a million events in 90 days.
EVENTS_PER_DAY = 1_000_000 / DAYS
_TEMPLATES = 5_000
_COPY_ROWS = 100_000
_LEADING = ("workspace_id", "id", "timestamp", "created_at", "user_id")

# provider, model, share of the calls, typical prompt, typical output
_MODELS = (
    ("openai", "gpt-4o-mini", 40, 1_200, 250),
    ("openai", "gpt-5.4", 20, 3_000, 600),
    ("anthropic", "claude-sonnet-4-5", 20, 6_000, 700),
    ("anthropic", "claude-haiku-4-5", 12, 2_000, 300),
    ("google", "gemini-2.5-pro", 8, 20_000, 900),
)
_TEAMS = ("search", "support", "growth", "platform", "research")
_FEATURES = ("answer", "summarise", "classify", "rewrite", "extract", "translate")

PROJECTS = ("assistant", "backoffice")


class RecordingRoad:
    """A database road that keeps the calls of record_events instead of executing them.

    It returns terms with the projects and without prices, and reports no duplicates.
    """

    def __init__(self) -> None:
        self.recorded: list[dict[str, Any]] = []

    async def call(self, function: str, parameters: Any) -> Any:
        """Answers workspace_terms, and keeps the parameters of record_events."""
        if function == "workspace_terms":
            projects = [{"id": uuid4(), "name": name, "key": name} for name in PROJECTS]
            return {
                "version": 1,
                "projects": projects,
                "prices": [],
                "settings": WorkspaceSettings(
                    claude_haiku_45_enabled=True,
                    disabled_models=[],
                    max_tokens_per_request=None,
                    enable_caching=False,
                    retention_days=None,
                    tz="UTC",
                    updated_at=None,
                    updated_by=None,
                ),
                "events_since": None,
            }
        assert function == "record_events"
        self.recorded.append(dict(parameters))
        return []

    def listening(self, *_: object) -> Any:
        """Not supported."""

    def connections(self) -> dict[str, int]:
        """No connections."""
        return {}

    async def close(self) -> None:
        """Nothing to close."""


def event(random: Random) -> dict[str, Any]:
    """One event as a caller sends it, without a timestamp."""
    (provider, model, _, prompt, output), *_ = random.choices(_MODELS, [m[2] for m in _MODELS])
    prompt_tokens = math.ceil(random.lognormvariate(math.log(prompt), 0.6))
    failed = random.random() < 0.01
    sent: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "input_tokens": prompt_tokens,
        "output_tokens": 0 if failed else math.ceil(random.lognormvariate(math.log(output), 0.7)),
        "latency_ms": round(random.lognormvariate(math.log(900), 0.7), 1),
        "project": random.choice(PROJECTS),
    }
    if random.random() < 0.4:
        sent["cache_read_tokens"] = int(prompt_tokens * random.uniform(0.3, 0.9))
    if failed:
        sent |= {"status": random.choice(("error", "timeout")), "error_message": "upstream connect error, reset"}
    tags, metadata = random.choice(_SHAPES)(random)
    return sent | ({"tags": tags} if tags else {}) | ({"metadata": metadata} if metadata else {})


def large_event(random: Random) -> dict[str, Any]:
    """An event with about 700 bytes of metadata, so that a thousand fit into a body."""
    return event(random) | {"metadata": {"parameters": _hex(random, 340), "trace": {"span": _hex(random, 8)}}}


def times(random: Random, count: int, start: datetime, end: datetime) -> Iterator[datetime]:
    """`count` times between start and end, earliest first, most of them in business hours."""
    hours = [start + timedelta(hours=hour) for hour in range(math.ceil((end - start) / timedelta(hours=1)))]
    reached = list(accumulate(_weight(hour) for hour in hours))
    spots = sorted(random.random() * reached[-1] for _ in range(count))
    for spot in spots:
        index = bisect(reached, spot)
        within = (reached[index] - spot) / _weight(hours[index])
        yield min(hours[index] + timedelta(hours=1 - within), end)


def recent(random: Random, count: int) -> Iterator[datetime]:
    """The times of the last events of a busy workspace, up to a minute ago."""
    end = datetime.now(UTC) - timedelta(minutes=1)
    return times(random, count, end - timedelta(days=count / EVENTS_PER_DAY), end)


def batches(
    count: int, size: int, *, make: Callable[[Random], dict[str, Any]] = event, scattered: bool = False
) -> list[bytes]:
    """Bodies of POST /api/events/batch, in order of time; scattered, each holds events of all 90 days."""
    random = Random(500)
    moments = list(recent(random, count * size))
    if scattered:
        end = moments[-1]
        moments = list(times(random, count * size, end - timedelta(days=DAYS), end))
        random.shuffle(moments)
    events = [make(random) | {"timestamp": moment} for moment in moments]
    return [json.dumps({"events": events[at : at + size]}) for at in range(0, len(events), size)]


async def recordings(bodies: Sequence[bytes], user_id: UUID, workspace_id: UUID) -> list[dict[str, Any]]:
    """The parameters of the calls of record_events that the product makes for these batches."""
    road = RecordingRoad()
    database = Database(road)
    book, terms, changes = PriceBook(), TermsEngine(database), Changes()
    engine = EventEngine(
        database, book, terms, PricingEngine(database, book, terms, changes), changes, Buckets("events", 0)
    )
    identity = Identity(user_id, workspace_id, ROLE_SCOPES["admin"])
    for body in bodies:
        result = await engine.track_batch(identity, EventBatch.model_validate(json.loads(body)))
        assert not result.rejected, result.rejected[0]
    return road.recorded


def record_statement(parameters: dict[str, Any]) -> str:
    """The SQL statement that calls record_events."""
    arguments = ", ".join(f"{name} => ${number}" for number, name in enumerate(parameters, 1))
    return f"select public.record_events({arguments})"


def renewed(parameters: dict[str, Any], workspace_id: UUID | None = None) -> dict[str, Any]:
    """The same events with new ids, in the same workspace or another."""
    events = [
        event | {"id": uuid7(datetime.fromisoformat(event["timestamp"]))}
        for event in json.loads(parameters["p_events"].encode())
    ]
    return parameters | {
        "p_workspace_id": workspace_id or parameters["p_workspace_id"],
        "p_events": json.dumps(events).decode(),
    }


async def new_workspace(connection: "asyncpg.Connection[asyncpg.Record]") -> UUID:
    """A workspace without members."""
    workspace_id = uuid4()
    await connection.execute(
        "insert into public.workspaces (id, name, created_at) values ($1, 'bench', now())", workspace_id
    )
    return workspace_id


async def fill(
    connection: "asyncpg.Connection[asyncpg.Record]",
    workspace_id: UUID,
    user_id: UUID,
    count: int,
    progress: Callable[[str], None],
) -> None:
    """Copies `count` events of the last 90 days into a workspace and builds its rollups."""
    # Recording an event creates its project, but COPY does not.
    await connection.executemany(
        "insert into public.projects (workspace_id, id, key, name, created_at) values ($1, $2, $3, $3, now())"
        " on conflict do nothing",
        [(workspace_id, uuid4(), name) for name in PROJECTS],
    )
    tails = await _tails(connection)
    random = Random(90)
    end = datetime.now(UTC) - timedelta(minutes=1)
    moments = times(random, count, end - timedelta(days=DAYS), end)
    columns = await _columns(connection)
    for done in range(0, count, _COPY_ROWS):
        progress(f"{done / count:.0%}")
        rows = min(_COPY_ROWS, count - done)
        await connection.copy_to_table(
            "events",
            schema_name="public",
            columns=columns,
            source=_lines(random, tails, moments, rows, workspace_id, user_id),
        )
    progress("rollups")
    await connection.execute("select public.rebuild_rollups($1, '-infinity')", workspace_id, timeout=3600)


async def _lines(
    random: Random, tails: Sequence[str], moments: Iterator[datetime], rows: int, workspace_id: UUID, user_id: UUID
) -> AsyncIterator[bytes]:
    workspace, user = str(workspace_id), str(user_id)
    chunk: list[str] = []
    for _ in range(rows):
        moment = next(moments)
        stamp = moment.isoformat(" ")
        digits = f"{int(moment.timestamp() * 1000):012x}7{random.getrandbits(12):03x}8{random.getrandbits(60):015x}"
        chunk.append(f"{workspace}\t{digits}\t{stamp}\t{stamp}\t{user}\t{random.choice(tails)}")
        if len(chunk) == 2_000:
            yield "".join(chunk).encode()
            chunk = []
    yield "".join(chunk).encode()


async def _tails(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """COPY lines of sample events without their leading columns. The product stores the samples once to make them."""
    workspace_id = await new_workspace(connection)
    for parameters in await recordings(batches(_TEMPLATES // 500, 500), uuid4(), workspace_id):
        await connection.execute(record_statement(parameters), *parameters.values())
    columns = ", ".join(f'"{name}"' for name in (await _columns(connection))[len(_LEADING) :])
    lines = io.BytesIO()
    await connection.copy_from_query(
        f"select {columns} from public.events where workspace_id = '{workspace_id}' order by id", output=lines
    )
    await connection.execute("delete from public.workspaces where id = $1", workspace_id)
    return lines.getvalue().decode().splitlines(keepends=True)


async def _columns(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    names = await connection.fetch(
        "select column_name from information_schema.columns"
        " where table_schema = 'public' and table_name = 'events' order by ordinal_position"
    )
    return [*_LEADING, *(name for (name,) in names if name not in _LEADING)]


def _weight(hour: datetime) -> float:
    if hour.weekday() >= 5:
        return 1.0
    return 10.0 if 8 <= hour.hour < 18 else 2.0


def _hex(random: Random, size: int) -> str:
    return random.randbytes(size).hex()


_Shape = Callable[[Random], tuple[dict[str, str], dict[str, Any]]]
_SHAPES: tuple[_Shape, ...] = (
    lambda r: ({}, {}),
    lambda r: ({"team": r.choice(_TEAMS)}, {}),
    lambda r: ({"team": r.choice(_TEAMS), "env": "production"}, {}),
    lambda r: ({"team": r.choice(_TEAMS), "env": "production", "feature": r.choice(_FEATURES)}, {}),
    lambda r: ({"plan": r.choice(("free", "pro", "enterprise"))}, {"request": _hex(r, 8)}),
    lambda r: ({"team": r.choice(_TEAMS)}, {"request": _hex(r, 8), "session": _hex(r, 16), "agent": "web/4.2.1"}),
    lambda r: ({}, {"request": _hex(r, 16), "attempt": r.randint(1, 3)}),
    lambda r: (
        {"env": "staging", "region": r.choice(("eu", "us"))},
        {"trace": {"id": _hex(r, 16), "span": _hex(r, 8)}, "sampled": True},
    ),
    lambda r: (
        {"team": r.choice(_TEAMS), "env": "production", "feature": r.choice(_FEATURES), "region": "eu"},
        {"trace": {"id": _hex(r, 16), "span": _hex(r, 8)}, "user": _hex(r, 6), "prompt_version": r.randint(1, 40)},
    ),
    lambda r: (
        {"team": r.choice(_TEAMS)},
        {
            "parameters": {"temperature": 0.2, "top_p": 0.95, "max_tokens": 1024, "tools": ["search", "calculator"]},
            "prompt": {"name": r.choice(_FEATURES), "hash": _hex(r, 32)},
            "documents": [_hex(r, 8) for _ in range(8)],
        },
    ),
)
