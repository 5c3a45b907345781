"""The work of a function does not depend on what the planner believes about a workspace.

A large workspace grows beside a thousand small ones, whose statistics tell the planner nothing about it. Every function
that the application calls is measured with each kind of statistics and of plan. Its work may grow with the rows that
its answer needs, in the tables below, and with nothing else.
"""

from datetime import timedelta
from hashlib import md5
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.conftest import client_of, running, settings_for
from tests.support.crowd import MONTHS, enlarge, surround
from tests.support.ledger import LATER, NOW, SPANNING, START, Side, count, furnish, usual, ways
from tests.support.plugin import drop_database, new_database
from tests.support.work import Meter, Work
from utils.json import dumps, loads

# Rows and pages that any function may touch, and how many more for each row that its answer needs. Postgres reads a
# table of this size as a whole before it uses an index for a page of it.
_ANY, _EACH_ROW = 30_000, 20
BATCH = 300

# The tables that functions read or write as a whole, or in a range of time. All others return a row, or a page of rows.
_READ = {
    "spend_daily": "cost_by_project cost_by_provider cost_summary cost_top_models project_list",
    "spend_hourly": "metrics_daily metrics_latency metrics_summary spend_forecast watch_note",
    # Two ranges of time.
    "spend_hourly spend_hourly": "cost_compare",
    "spend_by_tag": "cost_by_tag",
    "spend_daily spend_by_tag": "cost_timeseries",
    "spend_daily spend_hourly": "model_usage spend_series",
    "events": "event_list export_events budget_set",
    "events spend_hourly": "budget_contributors",
    "projects": "project_create workspace_terms",
    "feedback": "metrics_quality",
    "api_keys projects budgets budget_periods alerts deliveries": "export_workspace",
    "events spend_hourly spend_daily spend_by_tag projects api_keys budgets budget_periods alerts audit_log":
        "workspace_delete user_delete",
}  # fmt: skip
_NEEDED = {name: tables.split() for tables, names in _READ.items() for name in names.split()}
# These compare every budget with every row, which no index can do: a budget's model may be a pattern.
_RECOUNTS = {"rebuild_rollups", "rollup_differences"}
_EACH_BUDGET = {"record_events", "correct_events", "spend_forecast", *_RECOUNTS}
# The tables with one row for each workspace. All others are large.
_SINGLE = {"settings", "watches", "changes"}


def spanning(it: Side) -> dict[str, Any]:
    """Arguments of the functions that are not about one workspace."""
    values = {
        "user_id": it.admin, "session_id": it.session, "workspace_id": it.workspace_id, "email": it.viewer_email,
        "refresh_id": uuid4(), "new_refresh_id": uuid4(), "grace_seconds": 10, "device": "a test",
        "password_hash": "hash", "name": "new", "token_hash": "unknown", "limit": 100,
        "key_hash": md5(b"k1", usedforsecurity=False).hexdigest(),
        "before": NOW - timedelta(hours=2),
        "workspace_ids": [it.workspace_id], "kinds": ["events"], "now": NOW, "expires_at": LATER, "lease_until": LATER,
    }  # fmt: skip
    return {f"p_{name}": value for name, value in values.items()}


def long_ago(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with a range of time that has all rows."""
    days = 31 * MONTHS
    longer = {"p_days": days} if arguments.get("p_days") else {}
    return {name: NOW - timedelta(days=days) if value == START else value for name, value in arguments.items()} | longer


async def calls(sql: "asyncpg.Connection[asyncpg.Record]", it: Side) -> list[tuple[str, dict[str, Any]]]:
    """A call of every function in every way, with its arguments."""
    found = await sql.fetch(
        "select proname, array(select unnest(proargnames[1:pronargs])) as parameters from pg_proc"
        " where pronamespace = 'public'::regnamespace order by proname"
    )
    new: dict[str, Any] = {"p_workspace_id": uuid4(), "p_session_id": uuid4(), "p_email": "new@example.com"}
    other = {
        "credentials": {"p_user_id": None},
        "signup": new | {"p_user_id": uuid4()},
        "workspace_create": new,
        "session_start": new,
    }
    made = []
    for name, parameters in found:
        if name in SPANNING:
            every = [spanning(it) | other.get(name, {})]
        else:
            every = [usual(it) | way | {"p_workspace_id": it.workspace_id} for way in ways(it).get(name, [{}])]
        for values in every:
            missing = {*parameters} - values.keys()
            assert not missing, f"{name} needs values for {missing}"
            made.append((name, long_ago({parameter: values[parameter] for parameter in parameters})))
    single = dict(reversed(made))["record_events"]
    return [*made, ("record_events", single | {"p_events": dumps(batch_like(single["p_events"])).decode()})]


def corrections(made: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Calls that correct and that delete a batch of stored events."""
    single = dict(reversed(made))
    events = batch_like(single["record_events"]["p_events"])
    stored = [UUID(md5(f"event{n}".encode(), usedforsecurity=False).hexdigest()) for n in range(1, BATCH + 1)]
    changed = [{"id": id, "event": event | {"id": id}} for id, event in zip(stored, events, strict=True)]
    return [
        ("correct_events", single["correct_events"] | {"p_corrections": dumps(each).decode()})
        for each in (changed, [{"id": id} for id in stored])
    ]


def is_page(arguments: dict[str, Any]) -> bool:
    """Whether a call lists events without a filter."""
    filters = ("p_status", "p_tag", "p_policy_violation", "p_provider", "p_model", "p_project")
    return "p_policy_violation" in arguments and all(arguments[name] is None for name in filters)


def batch_like(events: str) -> list[dict[str, Any]]:
    """A batch of events like the first one, each of another model, project, tag and reservation."""
    (event, *_) = loads(events.encode())
    changes = [
        {"id": uuid4(), "model": f"m{n}", "project": f"p{n}", "tags": {"customer": str(n)}, "reservation_id": uuid4()}
        for n in range(BATCH)
    ]
    return [event | change for change in changes]


def compared(function: str, arguments: dict[str, Any], sizes: dict[str, int]) -> int:
    """The number of rows that a call compares with every budget."""
    if function in _RECOUNTS:
        return sizes["events"]
    if function == "spend_forecast":
        return sizes["spend_hourly"]
    events: str = arguments.get("p_events") or arguments["p_corrections"]
    return len(loads(events.encode()))


async def tables_of(sql: "asyncpg.Connection[asyncpg.Record]", workspace_id: UUID) -> dict[str, int]:
    """The number of rows of a workspace in each table."""
    found = await sql.fetch(
        "select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'workspace_id'"
        " where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    return {
        table: await sql.fetchval(f"select count(*) from public.{table} where workspace_id = $1", workspace_id)
        for (table,) in found
    }


def excess(function: str, arguments: dict[str, Any], work: Work, sizes: dict[str, int]) -> bool:
    """Whether a call touches more rows than its answer needs, in all or of one table."""
    needed = [] if is_page(arguments) else _NEEDED.get(function, [])
    allowed = _ANY + _EACH_ROW * sum(sizes[table] for table in needed)
    if function in _EACH_BUDGET:
        allowed += _EACH_ROW * sizes["budgets"] * compared(function, arguments, sizes)
    elif any(rows > _ANY for table, rows in work.tables.items() if table not in needed):
        return True
    return work.rows + work.pages > allowed


@pytest.mark.long
async def test_no_function_depends_on_statistics(
    postgres_url: str, run_folder: Path, tmp_path: Path, no_deliveries: None
) -> None:
    url = await new_database(postgres_url)
    async with running(settings_for(tmp_path, database_url=url)) as app, client_of(app) as client:
        small = await furnish(client, "small", "monthly", days=5)
        large = await furnish(client, "large", "monthly", days=5)
    sql = await asyncpg.connect(url)
    for (table,) in await sql.fetch("select tablename from pg_tables where schemaname = 'public'"):
        await sql.execute(f"alter table public.{table} set (autovacuum_enabled = off)")
    for side in (small, large):
        await count(sql, side)
    await sql.execute(
        "insert into public.delivery_attempts"
        " select workspace_id, gen_random_uuid(), alert_id, channel_id, id, 1, now() from public.deliveries"
    )
    await surround(sql, small.workspace_id, 1_000)
    await sql.execute("analyze")
    await enlarge(sql, large.workspace_id)
    meter = await Meter.on(sql, run_folder)
    every, sizes = await calls(sql, large), await tables_of(sql, large.workspace_id)
    excessive = []
    await sql.execute("set allow_system_table_mods = on")
    for statistics in ("of others", "of a large database", "none"):
        if statistics == "of a large database":
            await sql.execute(
                "update pg_class set reltuples = 100 * reltuples where relnamespace = 'public'::regnamespace"
            )
        elif statistics == "none":
            await sql.execute("update pg_class set reltuples = -1 where relnamespace = 'public'::regnamespace")
            await sql.execute("delete from pg_statistic")
        for plan in ("custom", "generic"):
            await sql.execute(f"set plan_cache_mode = force_{plan}_plan; discard plans")
            for function, arguments in every:
                if function in _RECOUNTS and (statistics, plan) != ("of others", "generic"):
                    # Measured once, since these take seconds.
                    continue
                work = await meter.call(function, arguments)
                if excess(function, arguments, work, sizes):
                    excessive.append(f"{function}, {plan} plan, statistics {statistics}: {work}")
    # At the end: they queue deliveries, and what is rolled back stays in the indexes that other calls read.
    for function, arguments in corrections(every):
        work = await meter.call(function, arguments)
        if excess(function, arguments, work, sizes):
            excessive.append(f"{function} of a batch: {work}")
    await sql.close()
    await drop_database(url)
    assert not excessive, "\n".join(excessive)
    assert len(every) > 120
    assert {table for table, rows in sizes.items() if rows < 40} == _SINGLE
