"""Exports: files of any length with the rows and digits of the API, of one workspace only."""

import asyncio
import csv
import io
import json
import re
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import psutil
import pyarrow
import pyarrow.parquet
import pytest
from fastapi import FastAPI

from engines.exports import COSTS, EVENTS, FOCUS
from tests.conftest import SIGNING_KEY, client_of, running, settings_for
from tests.support.data import cases
from tests.support.product import PATIENCE, Server
from tests.support.team import Member, assert_problem, call, sign_up
from utils.errors import Unavailable
from utils.tables import Column, CsvWriter

RULES = cases("focus_1_4.json")
FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = {"events": EVENTS, "costs": COSTS, "focus": FOCUS}
FILES = [(path, format) for path in COLUMNS for format in FORMATS]
JANUARY = {"start": "2026-01-01", "end": "2026-01-31"}
MANY = 100_000


async def export(somebody: Member, path: str, format: str, **query: Any) -> bytes:
    """Downloads a file; it must succeed."""
    response = await somebody.request("GET", f"/api/export/{path}", params={**query, "format": format})
    assert response.status_code == 200, response.text
    return response.content


def read(content: bytes, format: str) -> list[dict[str, Any]]:
    """The rows of a file as a reader of its format returns them."""
    if format == "csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    if format == "jsonl":
        return [json.loads(line, parse_float=Decimal) for line in content.decode().split("\n")[:-1]]
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows


def meant(column: Column, value: Any) -> Any:
    """A value of any format in the types of Python."""
    if value in (None, ""):
        return None
    read_text: dict[str, Callable[[Any], Any]] = {
        "integer": int,
        "float": float,
        "decimal": lambda digits: Decimal(str(digits)),
        "boolean": lambda value: value in (True, "true"),
        "time": datetime.fromisoformat,
        "date": date.fromisoformat,
        "json": lambda text: json.loads(text, parse_float=Decimal),
    }
    return (
        read_text[column.kind](value)
        if column.kind in read_text and isinstance(value, str | int | float | Decimal)
        else value
    )


async def rows(somebody: Member, path: str, format: str, **query: Any) -> list[dict[str, Any]]:
    """The rows of an export of any format, in the types of Python."""
    found = read(await export(somebody, path, format, **query), format)
    assert all(row.keys() == {column.name for column in COLUMNS[path]} for row in found)
    return [{column.name: meant(column, row[column.name]) for column in COLUMNS[path]} for row in found]


async def listed(somebody: Member, **query: Any) -> list[dict[str, Any]]:
    """The events as the API lists them."""
    events: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        response = await somebody.request("GET", "/api/events", params={"limit": 1000, **query, **cursor})
        page = json.loads(response.text, parse_float=Decimal)
        events += [{column.name: meant(column, event[column.name]) for column in EVENTS} for event in page["events"]]
        if page["next_cursor"] is None:
            return events
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture
async def spent(ada: Member, bob: Member) -> Member:
    """Ada, with calls of every kind in January 2026; Bob has one too."""
    cached = {"cache_read_tokens": 300, "cache_write_tokens": 20, "cache_write_1h_tokens": 10, "reasoning_tokens": 7}
    response = {"model": "gpt-4o-audio-preview", "usage": {"prompt_tokens": 9, "completion_tokens": 9,
                "prompt_tokens_details": {"audio_tokens": 4}, "total_tokens": 18}}  # fmt: skip
    recorded = await ada.batch(
        call(timestamp="2026-01-10T23:30:00.123456Z", project="search", tags={"team": "a, \"b\""}, latency_ms=840.5),
        call(timestamp="2026-01-11T00:30:00Z", project="search", tags={"team": "b"}, metadata={"n": [1, {"x": None}]}),
        call(timestamp="2026-01-11T12:00:00Z", provider="anthropic", model="claude-sonnet-4-5", **cached),
        call(timestamp="2026-01-12T12:00:00Z", status="timeout", error_message="line one\r\nline \"two\"; ümlaut, 漢"),
        call(timestamp="2026-01-12T12:00:00Z", provider="no-vendor", model="mystery", project="chat"),
        call(timestamp="2026-01-12T13:00:00Z", provider="no-vendor", model="mystery", project="chat"),
        call(timestamp="2026-01-12T13:00:00Z", provider="no-vendor", model="half", cost="0.000000000000123"),
        call(timestamp="2026-01-12T13:00:00Z", provider="no-vendor", model="half", latency_ms=12),
        call(timestamp="2026-01-31T23:59:59.999999Z", cost="9999999.999999999999999", id="mine"),
        {"provider": "openai", "response": response, "timestamp": "2026-01-20T10:00:00Z"},
    )  # fmt: skip
    assert recorded["rejected"] == []
    await bob.batch(call(timestamp="2026-01-11T12:00:00Z", model="bravo", project="bravo", cost=1))
    return ada


# Events


@pytest.mark.both_roads
async def test_events_are_exported_as_they_are_listed(spent: Member) -> None:
    events = await listed(spent)
    assert len(events) == 10
    assert {event["cost"] for event in events} >= {
        None, Decimal("0.0075"), Decimal("0.000000000000123"), Decimal("9999999.999999999999999")
    }  # fmt: skip
    assert any(event["usage_detail"] for event in events)
    for format in FORMATS:
        assert await rows(spent, "events", format) == events


async def test_an_export_is_an_attachment(spent: Member) -> None:
    for path, format in FILES:
        response = await spent.request("GET", f"/api/export/{path}", params={"format": format})
        name = "focus-1.4" if path == "focus" else path
        assert response.headers["content-disposition"] == f'attachment; filename="llmlab-{name}.{format}"'
        assert response.headers["content-type"].split(";")[0] == {
            "csv": "text/csv", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"
        }[format]  # fmt: skip


async def test_json_lines_are_the_events_of_the_api(spent: Member) -> None:
    lines = (await export(spent, "events", "jsonl")).decode().splitlines()
    for line, event in zip(lines, (await spent.get("/api/events"))["events"], strict=True):
        assert json.loads(line).keys() == event.keys()
    # Money is a number with every digit, not text.
    assert any('"cost":9999999.999999999999999,' in line for line in lines)
    assert any('"cost":null,' in line for line in lines)


@pytest.mark.both_roads
async def test_an_export_of_many_pages_has_every_event_once(ada: Member) -> None:
    # Many have the same timestamp, so that pages end between them.
    for batch in range(3):
        await ada.batch(
            *[call(id=f"{batch}-{n}", timestamp=f"2026-01-0{1 + n % 2}T00:00:00Z", latency_ms=n) for n in range(501)]
        )
    events = await listed(ada)
    assert len({event["event_id"] for event in events}) == 1503
    for format in FORMATS:
        assert await rows(ada, "events", format) == events


async def test_events_that_arrive_during_an_export_do_not_shift_it(
    ada: Member, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada.batch(*[call(timestamp=f"2026-01-10T00:{n % 60:02}:{n // 60:02}Z") for n in range(1000)])
    await ada.batch(*[call(timestamp="2026-01-09T00:00:00Z") for _ in range(300)])
    before = {event["event_id"] for event in await listed(ada)}
    database = app.state.engines.exports._database
    ask = database.export_events

    async def ask_while_others_write(*given: Any) -> Any:
        answer = await ask(*given)
        await ada.batch(call(timestamp="2026-01-01T00:00:00Z"), call(timestamp="2026-01-20T00:00:00Z"))
        return answer

    monkeypatch.setattr(database, "export_events", ask_while_others_write)
    exported = [row["event_id"] for row in await rows(ada, "events", "csv")]
    assert len(exported) == len(set(exported))
    assert before <= set(exported)


async def test_the_filters_are_those_of_the_list(spent: Member) -> None:
    queries = [
        {"start": "2026-01-11T12:00:00Z"},
        {"end": "2026-01-11T12:00:00Z"},
        {"provider": "Anthropic"},
        {"model": "gpt-4o"},
        {"project": "search"},
        {"status": "timeout"},
        {"tag": "team:b"},
        {"start": "2026-01-11T00:00:00Z", "model": "gpt-4o", "status": "success"},
        {"project": "no such project"},
    ]
    for query in queries:
        exported = await rows(spent, "events", "csv", **query)
        assert exported == await listed(spent, **query), query
        assert len(exported) < 10, query


# Costs


def recount(events: Sequence[dict[str, Any]], tz: str) -> list[dict[str, Any]]:
    """The daily costs, counted from the events."""
    days: dict[tuple[date, str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        day = event["timestamp"].astimezone(ZoneInfo(tz)).date()
        days[day, event["project"] or "", event["provider"], event["model"]].append(event)
    counted = [column.name for column in COSTS if column.kind == "integer" and column.name.endswith("tokens")]
    return [
        {
            "date": day,
            "project": project or None,
            "provider": provider,
            "model": model,
            "call_count": len(calls),
            "error_count": sum(event["status"] != "success" for event in calls),
            "unpriced_calls": sum(event["cost"] is None for event in calls),
            **{name: sum(event[name] for event in calls) for name in counted},
            "total_cost": sum((event["cost"] for event in calls if event["cost"] is not None), Decimal(0))
            if any(event["cost"] is not None for event in calls)
            else None,
        }
        for (day, project, provider, model), calls in sorted(days.items())
    ]


@pytest.mark.both_roads
async def test_daily_costs_equal_a_recount(spent: Member) -> None:
    events = await listed(spent)
    for tz in ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"):
        counted = recount(events, tz)
        assert None in {row["total_cost"] for row in counted}
        for format in FORMATS:
            assert await rows(spent, "costs", format, start="2025-12-31", end="2026-02-01", tz=tz) == counted


async def test_costs_cover_the_requested_range(spent: Member) -> None:
    events = [event for event in await listed(spent) if event["timestamp"].day in (11, 12)]
    assert await rows(spent, "costs", "jsonl", start="2026-01-11", end="2026-01-12") == recount(events, "UTC")


async def test_a_day_of_many_pages_is_complete(ada: Member) -> None:
    for batch in range(2):
        await ada.batch(
            *[
                call(timestamp=f"2026-01-1{n % 2}T0{n % 3}:00:00Z", model=f"m{n % 620}", project=f"p{n % 7}", cost=0.1)
                for n in range(batch * 1000, batch * 1000 + 1000)
            ]
        )
    exported = await rows(ada, "costs", "csv", **JANUARY)
    assert len(exported) > 1100
    assert exported == recount(await listed(ada), "UTC")


# Spreadsheets


async def test_text_that_looks_like_a_formula_is_escaped_only_in_csv(ada: Member) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
    await ada.batch(
        *[
            call(error_message=text, status="error", timestamp=f"2026-01-01T00:00:0{n}Z")
            for n, text in enumerate(texts)
        ],
        call(provider="=p", model="-m", project="@j", cost=0.5, timestamp="2026-01-01T00:00:08Z"),
        call(error_message="a=1", status="error", timestamp="2026-01-01T00:00:09Z"),
    )
    in_csv = read(await export(ada, "events", "csv"), "csv")
    assert [row["error_message"] for row in in_csv] == ["a=1", "", *(f"'{text}" for text in reversed(texts))]
    assert (in_csv[1]["provider"], in_csv[1]["model"], in_csv[1]["project"]) == ("'=p", "'-m", "'@j")
    assert in_csv[1]["cost"] == "0.5"
    for format in ("jsonl", "parquet"):
        as_sent = read(await export(ada, "events", format), format)
        assert [row["error_message"] for row in as_sent] == ["a=1", None, *reversed(texts)]
    for path in ("costs", "focus"):
        content = (await export(ada, path, "csv", **JANUARY)).decode()
        cells = [cell for line in csv.reader(io.StringIO(content, newline="")) for cell in line]
        assert {"'=p", "'-m", "'@j"} <= set(cells)
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_numbers_are_not_escaped_as_formulas() -> None:
    writer = CsvWriter([Column("n", "integer"), Column("x", "float"), Column("d", "decimal"), Column("t", "text")])
    written = writer.write({"n": [-1], "x": [-0.5], "d": ["-0.25"], "t": ["-1"]})
    assert written + writer.end() == b"n,x,d,t\r\n-1,-0.5,-0.25,'-1\r\n"


# FOCUS


async def test_charges_conform_to_focus(spent: Member) -> None:
    for format in FORMATS:
        found = read(await export(spent, "focus", format, **JANUARY), format)
        assert len(found) == 7
        names = list(found[0])
        rules = {name: rule for name, rule in RULES["columns"].items() if name in names}
        own = [name for name in names if name.startswith("x_")]
        assert {name for name, (level, _, _) in RULES["columns"].items() if level == "Mandatory"} <= rules.keys()
        assert names == [*rules, *own], "columns of FOCUS come first, and there are no others"
        assert all(re.fullmatch(RULES["custom_columns"], name) for name in own)
        for row in found:
            for name, (_, nullability, kind) in rules.items():
                value = row[name]
                if value in (None, ""):
                    assert nullability == "nullable", name
                else:
                    assert_type(kind, value, format)
                    assert value in RULES["allowed_values"].get(name, [value]), name
            assert row["ServiceSubcategory"] in RULES["subcategories_of"][row["ServiceCategory"]]


def assert_type(kind: str, value: Any, format: str) -> None:
    """A value is of a type of FOCUS, as this format has it."""
    if format == "parquet":
        types: dict[str, type] = {"String": str, "Decimal": Decimal, "Date/Time": datetime}
        assert isinstance(value, types[kind])
        assert not isinstance(value, datetime) or value.utcoffset() == timedelta(0)
    elif kind == "Decimal" and format == "jsonl":
        assert isinstance(value, int | Decimal)
    else:
        assert isinstance(value, str)
        assert re.fullmatch(RULES["formats"].get(kind, ".+"), value)


@pytest.mark.both_roads
async def test_charges_agree_with_the_costs(spent: Member) -> None:
    workspace = spent.session["workspace_id"]
    costs = [row for row in await rows(spent, "costs", "jsonl", **JANUARY) if row["total_cost"] is not None]
    found = await rows(spent, "focus", "jsonl", **JANUARY)
    projects = {p["name"]: p["id"] for p in (await spent.get("/api/projects"))["projects"]}
    for charge, cost in zip(found, costs, strict=True):
        assert charge["EffectiveCost"] == charge["ContractedCost"] == charge["ListCost"] == cost["total_cost"]
        # Another party invoices: CAU-BilledCost-C-005-C.
        assert charge["BilledCost"] == 0
        assert charge["ChargePeriodStart"].date() == cost["date"]
        assert charge["ChargePeriodEnd"] - charge["ChargePeriodStart"] == timedelta(days=1)
        assert charge["BillingPeriodStart"] == datetime(2026, 1, 1, tzinfo=UTC)
        assert charge["BillingPeriodEnd"] == datetime(2026, 2, 1, tzinfo=UTC)
        assert (charge["BillingAccountId"], charge["BillingAccountName"]) == (workspace, "Ada")
        assert charge["BillingCurrency"] == "USD"
        assert charge["ServiceName"] == cost["model"]
        assert {charge[f"{who}Name"] for who in ("HostProvider", "InvoiceIssuer", "ServiceProvider")} == {
            cost["provider"]
        }
        assert charge["SubAccountName"] == cost["project"]
        assert charge["SubAccountId"] == projects.get(cost["project"])
        # Without a SKU price there is no quantity of it: CAU-PricingQuantity and CAU-PricingUnit.
        assert charge["PricingQuantity"] is charge["PricingUnit"] is charge["ChargeClass"] is None
        own = ("CallCount", "ErrorCount", "UnpricedCalls", "InputTokens", "CacheReadTokens", "CacheWriteTokens",
               "CacheWrite1hTokens", "OutputTokens", "ReasoningTokens", "TotalTokens")  # fmt: skip
        ours = ("call_count", "error_count", "unpriced_calls", "input_tokens", "cache_read_tokens",
                "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens",
                "total_tokens")  # fmt: skip
        assert [charge[f"x_{name}"] for name in own] == [cost[name] for name in ours]


async def test_unpriced_calls_are_not_charged_and_partly_priced_ones_are_marked(spent: Member) -> None:
    found = await rows(spent, "focus", "csv", **JANUARY)
    assert not [row for row in found if row["ServiceName"] == "mystery"]
    (half,) = [row for row in found if row["ServiceName"] == "half"]
    assert (half["EffectiveCost"], half["x_CallCount"], half["x_UnpricedCalls"]) == (Decimal("0.000000000000123"), 2, 1)
    assert half["ChargeDescription"] == "2 calls of half, 1 without a known price and not included in the cost"


async def test_charges_use_the_requested_time_zone(spent: Member) -> None:
    found = await rows(spent, "focus", "jsonl", start="2026-01-11", end="2026-01-11", tz="Europe/Berlin")
    assert {(row["ChargePeriodStart"], row["ChargePeriodEnd"]) for row in found} == {
        (datetime(2026, 1, 10, 23, tzinfo=UTC), datetime(2026, 1, 11, 23, tzinfo=UTC))
    }
    assert {(row["BillingPeriodStart"], row["BillingPeriodEnd"]) for row in found} == {
        (datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 31, 23, tzinfo=UTC))
    }
    # Part of a day is charged for that part.
    found = await rows(spent, "focus", "jsonl", start="2026-01-12T12:00:00Z", end="2026-01-12T13:00:00Z")
    assert {(row["ChargePeriodStart"].hour, row["ChargePeriodEnd"].hour) for row in found} == {(12, 13)}


# Parquet


@pytest.mark.both_roads
async def test_parquet_holds_exact_money_and_times(spent: Member) -> None:
    file = pyarrow.parquet.ParquetFile(io.BytesIO(await export(spent, "events", "parquet")))
    types = {field.name: field.type for field in file.schema_arrow}
    assert types["cost"] == pyarrow.decimal128(38, 25)
    assert types["timestamp"] == types["tracked_at"] == pyarrow.timestamp("us", "UTC")
    assert types["total_tokens"] == pyarrow.int64()
    assert types["latency_ms"] == pyarrow.float64()
    assert types["tags"] == types["model"] == pyarrow.string()
    costs = pyarrow.parquet.read_schema(io.BytesIO(await export(spent, "costs", "parquet")))
    assert costs.field("date").type == pyarrow.date32()


# Permissions


async def test_an_empty_workspace_gives_an_empty_file(ada: Member) -> None:
    for path, format in FILES:
        content = await export(ada, path, format)
        assert read(content, format) == []
        names = [column.name for column in COLUMNS[path]]
        if format == "csv":
            assert content.decode() == ",".join(names) + "\r\n"
        if format == "parquet":
            assert pyarrow.parquet.read_schema(io.BytesIO(content)).names == names


async def test_nothing_of_another_workspace_is_exported(spent: Member, bob: Member) -> None:
    for path, format in FILES:
        query = {} if path == "events" else JANUARY
        assert len(read(await export(bob, path, format, **query), format)) == 1
        assert "bravo" not in str(read(await export(spent, path, format, **query), format))
    elsewhere = {"X-Workspace-Id": spent.session["workspace_id"]}
    for path in COLUMNS:
        assert_problem(await bob.request("GET", f"/api/export/{path}", headers=elsewhere), 404)


# Errors


async def test_an_invalid_export_gets_the_usual_errors(ada: Member) -> None:
    for path in COLUMNS:
        late = {"start": "yesterday"} if path == "events" else {"start": "2026-02-01", "end": "2026-01-01"}
        for wrong in ({"format": "xlsx"}, {"limit": "3"}, late):
            assert_problem(await ada.request("GET", f"/api/export/{path}", params=wrong), 422)
        assert_problem(await ada._client.get(f"/api/export/{path}"), 401)


@pytest.mark.both_roads
async def test_an_unavailable_database_is_reported_before_the_first_byte(
    ada: Member, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise Unavailable

    for method in ("export_events", "export_costs"):
        monkeypatch.setattr(app.state.engines.exports._database, method, fail)
    for path, format in FILES:
        response = await ada.request("GET", f"/api/export/{path}", params={"format": format})
        assert_problem(response, 503)
        assert "content-disposition" not in response.headers


async def test_other_requests_are_answered_during_an_export(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, others_were_answered = threading.Event(), threading.Event()
    write = CsvWriter.write

    def write_after_the_others(self: CsvWriter, page: Any) -> bytes:
        writing.set()
        assert others_were_answered.wait(PATIENCE), "no other request was answered while a page was written"
        return write(self, page)

    monkeypatch.setattr(CsvWriter, "write", write_after_the_others)
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        ada = await sign_up(client, "Ada")
        await ada.track()
        exporting = asyncio.create_task(export(ada, "events", "csv"))
        assert await asyncio.to_thread(writing.wait, PATIENCE)
        await ada.get("/api/costs/summary")
        others_were_answered.set()
        assert len(read(await exporting, "csv")) == 1


# Large exports, from a server as users start it


class Large(NamedTuple):
    """A server over a database with many events of one workspace."""

    server: Server
    admin: Member
    sql: "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def large(url: str, sql: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path) -> AsyncIterator[Large]:
    """A server with 100,000 events."""
    server = Server(tmp_path / "data", DATABASE_URL=url, SECRET_KEY=SIGNING_KEY)
    server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
            ada = await sign_up(client, "Ada")
            await sql.execute(
                "insert into public.events (workspace_id, id, timestamp, created_at, user_id, input_tokens,"
                " cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,"
                " cost, pricing, provider, model, project, status, metadata)"
                " select $1, gen_random_uuid(), timestamptz '2026-01-01' + n * interval '1 second', now(), $2, n, 0, 0,"
                " 0, n, 0, n * 0.000001, 'caller', 'openai', 'gpt-4o', '', 'success',"
                " jsonb_build_object('request', gen_random_uuid(), 'padding', repeat('x', 200))"
                " from generate_series(1, $3) n",
                ada.session["workspace_id"],
                ada.session["user_id"],
                MANY,
            )
            await sql.execute("analyze public.events")
            yield Large(server, ada, sql)
    finally:
        server.stop()


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
@pytest.mark.long
async def test_memory_does_not_grow_with_the_file(large: Large, format: str) -> None:
    assert large.server.process is not None
    worker = psutil.Process(large.server.process.pid)
    # The first fifth loads modules and fills buffers.
    await export(large.admin, "events", format, end="2026-01-01T05:33:20Z")
    before = worker.memory_info().rss
    content = io.BytesIO()
    most = 0
    async with large.admin._client.stream(
        "GET", "/api/export/events", params={"format": format}, headers=large.admin.headers
    ) as response:
        assert response.status_code == 200
        async for piece in response.aiter_bytes(1 << 17):
            content.write(piece)
            most = max(most, worker.memory_info().rss)
    # All events are more than 60 MB as JSON.
    assert most - before < 30_000_000
    found = read(content.getvalue(), format)
    assert len({row["event_id"] for row in found}) == len(found) == MANY
    assert sum(row["cost"] for row in found) == sum(range(MANY + 1)) * Decimal("0.000001")


@pytest.mark.parametrize("format", FORMATS)
async def test_an_aborted_export_is_recognisably_incomplete(large: Large, postgres_url: str, format: str) -> None:
    name = await large.sql.fetchval("select current_database()")
    outside = await asyncpg.connect(postgres_url)
    content = b""
    try:
        async with large.admin._client.stream(
            "GET", "/api/export/events", params={"format": format}, headers=large.admin.headers
        ) as response:
            assert response.status_code == 200
            pieces = response.aiter_bytes()
            while len(content) < 100_000:
                content += await anext(pieces)
            await outside.execute(f'alter database "{name}" with allow_connections false')
            await outside.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> $2",
                name,
                large.sql.get_server_pid(),
            )
            with pytest.raises(httpx.RemoteProtocolError):
                async for piece in pieces:
                    content += piece
    finally:
        await outside.close()
    if format == "parquet":
        with pytest.raises(pyarrow.ArrowInvalid):
            pyarrow.parquet.read_table(io.BytesIO(content))
