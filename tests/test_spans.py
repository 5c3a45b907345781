"""Calls that several spans, or spans and events, report: each is counted once, whatever the order of the reports."""

import asyncio
import operator
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import permutations
from random import Random
from typing import Any

import asyncpg
import pytest

from tests.support.budgets import CENT_SPENT, reserve, set_budget, the_budget
from tests.support.events import recount
from tests.support.otlp import request_of, span
from tests.support.team import Member
from tests.support.waiting import until
from utils.ids import event_uuid
from utils.json import dumps

MODEL = "claude-sonnet-4-5"
PARTS = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
COLUMNS = (
    "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens",
    "reasoning_tokens",
)  # fmt: skip
# USD per million tokens, by column.
RATES = (Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(6), Decimal(15))

Counts = dict[str, int]


@dataclass
class TrueCall:
    """A call, and what its reports know of it: the most of each part."""

    counts: Counts
    response_id: str | None
    failed: bool
    known: Counts = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    written: int = 0
    is_reported: bool = False

    def report(self, random: Random) -> Counts:
        """The counts of one report, which may lack some of the parts."""
        given = {**self.counts}
        if random.random() < 0.3:
            given["cache_write"] += given["cache_write_1h"]
            given["cache_write_1h"] = 0
        for part in ("reasoning", "cache_read"):
            if random.random() < 0.3:
                given[part] = 0
        if random.random() < 0.2:
            given["cache_write"] = given["cache_write_1h"] = 0
        self.is_reported = True
        self.written = max(self.written, given["cache_write"] + given["cache_write_1h"])
        for part in PARTS:
            self.known[part] = max(self.known[part], given[part])
        self.known["cache_write"] = self.written - self.known["cache_write_1h"]
        return given

    def columns(self) -> list[int]:
        """The columns of its event, which are disjoint except for the reasoning."""
        known = self.known
        cached = known["cache_read"] + known["cache_write"] + known["cache_write_1h"]
        return [known["input"] - cached, *(known[part] for part in PARTS[1:])]

    def cost(self) -> Decimal:
        """USD for what is known."""
        return sum(map(operator.mul, RATES, self.columns()), Decimal(0)) / 1_000_000


class History:
    """Random calls and their reports: spans of several traces, and events of an SDK."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.spans: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.calls: list[TrueCall] = []
        for _ in range(self.random.randint(1, 3)):
            self._trace(self._id(16), None, self.random.randint(1, 3))

    def _id(self, length: int) -> str:
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def _span(self, trace: str, parent: str | None, attributes: dict[str, Any], **fields: Any) -> str:
        id = self._id(16)
        made = span(1, attributes, **fields) | {"traceId": trace, "spanId": id}
        self.spans.append(made | ({} if parent is None else {"parentSpanId": parent}))
        return id

    def _between(self, trace: str, parent: str | None) -> str | None:
        """A parent for further spans: the given one, or one that is no call beneath it."""
        for _ in range(self.random.choice((0, 0, 1, 2))):
            parent = self._span(trace, parent, {"gen_ai.operation.name": "invoke_agent"})
        return parent

    def _trace(self, trace_half: str, parent: str | None, calls: int) -> None:
        trace = trace_half * 2
        parent = self._between(trace, parent)
        made = [self._call() for _ in range(calls)]
        counted = [call for call in made if not call.failed]
        if len(made) > 1 and counted and self.random.random() < 0.6:
            # A span that sums up the calls beneath it.
            total = {part: sum(call.counts[part] for call in counted) for part in ("input", "output")}
            parent = self._between(trace, self._span(trace, parent, _attributes(total)))
        for call in made:
            self._report(trace, parent, call)
        self.calls += made

    def _call(self) -> TrueCall:
        number = self.random.randint
        counts = {
            "cache_read": number(0, 9_000), "cache_write": number(0, 900), "cache_write_1h": number(0, 900),
            "output": number(200, 9_000), "reasoning": number(0, 200),
        }  # fmt: skip
        counts["input"] = number(1, 9_000) + counts["cache_read"] + counts["cache_write"] + counts["cache_write_1h"]
        named = self.random.random() < 0.7
        return TrueCall(counts, f"msg_{self._id(24)}" if named else None, self.random.random() < 0.15)

    def _report(self, trace: str, parent: str | None, call: TrueCall) -> None:
        if call.failed:
            for _ in range(self.random.choice((1, 1, 2))):
                parent = self._span(trace, parent, _attributes(None), status={"code": 2})
            return
        # A framework's span around the client's own. One of them may lack the id.
        for _ in range(self.random.choice((1, 2, 3))):
            parent = self._between(trace, parent)
            id = call.response_id if self.random.random() < 0.8 else None
            parent = self._span(trace, parent, _attributes(call.report(self.random), id))
        if call.response_id is not None and id is not None:
            if self.random.random() < 0.4:
                self._span(self._id(32), None, _attributes(call.report(self.random), call.response_id))
            if self.random.random() < 0.5:
                given = call.report(self.random)
                self.events.append(
                    {"provider": "anthropic", "model": MODEL, "response_id": call.response_id}
                    | {f"{part}_tokens": given[part] for part in PARTS}
                )

    def requests(self) -> Iterator[tuple[str, Any]]:
        """Bodies by their path that tell everything, in a random order and number, some of them twice."""
        spans, events = [*self.spans], [*self.events]
        self.random.shuffle(spans)
        self.random.shuffle(events)
        while spans or events:
            if events and (not spans or self.random.random() < 0.3):
                size = self.random.randint(1, len(events))
                body = "/api/events/batch", {"events": [events.pop() for _ in range(size)]}
            else:
                size = self.random.choice((1, 2, 3, len(spans)))
                body = "/v1/traces", request_of(*[spans.pop() for _ in range(min(size, len(spans)))])
            yield from [body] * self.random.choice((1, 1, 1, 2))


def _attributes(counts: Counts | None, id: str | None = None) -> dict[str, Any]:
    names = {
        "input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read.input_tokens",
        "reasoning": "reasoning.output_tokens",
    }  # fmt: skip
    found: dict[str, Any] = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": MODEL,
    }  # fmt: skip
    if counts is not None:
        found |= {f"gen_ai.usage.{name}": counts[part] for part, name in names.items() if part in counts}
        for part, kind in (("cache_write", "5m"), ("cache_write_1h", "1h")):
            found[f"anthropic.usage.cache_creation.ephemeral_{kind}_input_tokens"] = counts.get(part, 0)
        found["gen_ai.usage.cache_write.input_tokens"] = counts.get("cache_write", 0) + counts.get("cache_write_1h", 0)
    return found | ({} if id is None else {"gen_ai.response.id": id})


@pytest.mark.parametrize("seeds", [range(start, start + 10) for start in (0, 10, 20)])
async def test_every_call_is_counted_once_at_the_most_that_is_known_of_it(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]", seeds: range
) -> None:
    # Its first period includes the times of all calls.
    ten_years = {"period": "custom", "custom": {"start": "2026-01-01", "days": 3660}}
    budget = await ada.request("POST", "/api/budgets", json={"limit": 1_000_000, **ten_years})
    assert budget.status_code == 201
    workspace = ada.session["workspace_id"]
    calls: list[TrueCall] = []
    for seed in seeds:
        history = History(seed)
        for path, body in history.requests():
            answer = await ada.request("POST", path, json=body)
            assert answer.status_code == 200, answer.text
            assert answer.json().get("rejected", []) == [] and "partialSuccess" not in answer.json(), (
                seed,
                answer.text,
            )
        calls += history.calls
        rows = await sql.fetch("select * from public.events where status = 'success' order by input_tokens")
        wanted = sorted(tuple(call.columns()) for call in calls if not call.failed)
        assert sorted(tuple(row[column] for column in COLUMNS) for row in rows) == wanted, seed
        assert (await recount(sql, workspace))[0] == len(calls), seed
    total = sum((call.cost() for call in calls if not call.failed), Decimal(0))
    assert await recount(sql, workspace) == (len(calls), total)
    (kept,) = (await ada.get("/api/budgets"))["budgets"]
    assert Decimal(str(kept["current_spend"])) == total


async def test_a_later_report_settles_the_reservation_of_its_call_once(
    ada: Member, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await set_budget(ada, hard=True)
    reservation = (await reserve(ada, calls=3)).json()
    assert await the_budget(ada) == (0, 0.03, 0.97)
    id = "chatcmpl-0123456789abcdef"
    counts = {"gen_ai.usage.input_tokens": 4000, "gen_ai.usage.output_tokens": 0}
    attributes = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": id,
        **counts,
    }
    at = str(time.time_ns())
    reported = span(1, {"gen_ai.operation.name": "chat", **attributes}, startTimeUnixNano=at, endTimeUnixNano=at)
    await ada.request("POST", "/v1/traces", json=request_of(reported))
    assert await the_budget(ada) == (0.01, 0.03, 0.96)
    for _ in range(2):
        await ada.batch(CENT_SPENT | {"response_id": id, "reservation_id": reservation["id"], "unchecked": True})
        assert await the_budget(ada) == (0.01, 0.02, 0.97)
        (budget,) = (await ada.get("/api/budgets"))["budgets"]
        assert budget["unchecked_calls"] == 1
    await recount(sql, ada.session["workspace_id"])


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_client_that_made_the_call_is_trusted_for_its_output(ada: Member, order: tuple[int, ...]) -> None:
    id = "msg_0123456789abcdef01234567"
    counts = {"input": 1000, "cache_read": 400, "output": 140}
    # Some instrumentation counts one token of a stream twice.
    others = span(1, _attributes({**counts, "output": 141}, id))
    own = {**span(2, _attributes(counts, id)), "traceId": "a" * 32}
    again = {**span(3, _attributes({**counts, "output": 142}, id)), "traceId": "b" * 32}
    bodies = [request_of(others), request_of(own, scope="com.anthropic.sdk.python"), request_of(again)]
    for number in order:
        assert (await ada.request("POST", "/v1/traces", json=bodies[number])).json() == {}
    (event,) = await ada.events()
    # 600 x 3 + 400 x 0.30 + 140 x 15 USD per million
    assert (event["output_tokens"], event["cost"]) == (140, 0.00402)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_call_has_the_more_exact_names_and_the_better_end_of_its_reports(
    ada: Member, order: tuple[int, ...]
) -> None:
    reports: list[dict[str, Any]] = [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "input_tokens": 1000,
            "output_tokens": 50,
            "tags": {"team": "a"},
            "metadata": {"temperature": 0.1234567890123456789},
        },
        {"provider": "azure", "model": "gpt-4o-2024-08-06", "input_tokens": 1000, "output_tokens": 50},
        {
            "provider": "unknown",
            "model": "our-deployment-of-the-model",
            "input_tokens": 0,
            "output_tokens": 0,
            "status": "error",
            "error_message": "ParseError",
            "project": "search",
        },
    ]
    for number in order:
        await ada.batch({**reports[number], "response_id": "chatcmpl-0123456789abcdef"})
    (event,) = await ada.events()
    names = ("provider", "model", "status", "error_message", "project", "tags", "cost")
    # 1,000 x 2.50 + 50 x 10 USD per million
    assert [event[name] for name in names] == [
        "azure", "gpt-4o-2024-08-06", "success", None, "search", {"team": "a"}, 0.003,
    ]  # fmt: skip


async def test_spans_that_replace_an_event_do_not_deadlock_with_others(
    ada: Member, url: str, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    workspace, id = ada.session["workspace_id"], "msg_0123456789abcdef01234567"
    counts = {"input": 1000, "output": 140}
    outer, inner = span(1, _attributes(counts)), span(2, _attributes(counts, id), parent=1)
    assert (await ada.request("POST", "/v1/traces", json=request_of(outer))).json() == {}
    row = "select to_jsonb(e) || $2::jsonb from public.events e where e.workspace_id = $1"
    record = "select public.record_events($1, now(), $2)"
    other = await asyncpg.connect(url)
    # The steps of one recording: it has written the event of the same call, and comes to the totals later.
    async with other.transaction():
        same = await other.fetchval(row, workspace, dumps({"id": event_uuid(id), "model": "another"}).decode())
        next = await other.fetchval(row, workspace, dumps({"id": event_uuid("another call")}).decode())
        await other.execute(record, workspace, f"[{same}]")
        replacing = asyncio.create_task(ada.request("POST", "/v1/traces", json=request_of(inner)))
        await until(partial(_is_blocked, sql))
        await other.execute(record, workspace, f"[{next}]")
    await other.close()
    assert (await replacing).json() == {}
    assert (await recount(sql, workspace))[0] == 2


async def _is_blocked(sql: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether spans wait to be recorded."""
    return bool(
        await sql.fetchval(
            "select exists (select from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock' and query like '%record_spans%')"
        )
    )
