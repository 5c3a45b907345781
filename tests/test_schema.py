"""The schemas and the migrations describe the same database, and its rights."""

import gzip
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import pytest

import roads.migrations
from roads.embedded import _BIN
from roads.migrations import MIGRATIONS, migrate
from roads.road import RECORDING
from tests.conftest import client_of, running, settings_for
from tests.support.plugin import database_url
from tests.support.team import PASSWORD, Member
from tools import schema
from utils.errors import StartError

# Made by pg_dump at version 20261121002800: an account that has used every feature.
OLD = gzip.decompress((Path(__file__).parent / "data" / "schema_20261121.sql.gz").read_bytes()).decode()
BASELINE = next(path.name.split("_")[0] for path in MIGRATIONS.glob("*_baseline.sql"))
NewDatabase = Callable[..., Awaitable[str]]


@pytest.fixture
async def new_database(postgres_url: str) -> AsyncIterator[NewDatabase]:
    """Makes a database in which some SQL has run; its connection string."""
    made = []
    connection = await asyncpg.connect(postgres_url)

    async def make(sql: str = "select") -> str:
        name = f"schema_{uuid4().hex}"
        await connection.execute(f'create database "{name}"')
        made.append(name)
        inside = await asyncpg.connect(database_url(postgres_url, name))
        await inside.execute(sql)
        await inside.close()
        return database_url(postgres_url, name)

    yield make
    for name in made:
        await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


async def migrated(url: str) -> list[str]:
    """What migrating a database ran."""
    connection = await asyncpg.connect(url)
    try:
        return await migrate(connection)
    finally:
        await connection.close()


def dump(url: str) -> str:
    """The schema of a database as SQL, without the record of its migrations."""
    parts = urlsplit(url)
    (folder,) = parse_qs(parts.query)["host"]
    shown = subprocess.run(
        [_BIN / "pg_dump", "--schema-only", "--exclude-schema=supabase_migrations", "-h", folder, "-U", "postgres",
         parts.path[1:]],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    # A random token of pg_dump.
    return re.sub(r"^\\(un)?restrict .*\n", "", shown, flags=re.MULTILINE)


async def test_the_migrations_make_what_the_schemas_say(new_database: NewDatabase) -> None:
    by_steps = await new_database()
    await migrated(by_steps)
    newest = max(path.name.split("_")[0] for path in MIGRATIONS.glob("*.sql"))
    assert dump(by_steps) == dump(await new_database(schema.joined(newest)))


async def test_a_database_at_the_last_version_before_the_baseline_is_brought_to_it(
    url: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    old = await new_database(OLD)
    assert BASELINE not in await migrated(old)
    assert await migrated(old) == []
    assert dump(old) == dump(url)
    connection = await asyncpg.connect(old)
    recorded = await connection.fetch(
        "select version, name from supabase_migrations.schema_migrations order by version"
    )
    await connection.close()
    assert [f"{row['version']}_{row['name']}.sql" for row in recorded] == sorted(
        path.name for path in MIGRATIONS.glob("*.sql")
    )

    async with running(settings_for(tmp_path, database_url=old)) as app, client_of(app) as client:
        login = await client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
        ada = Member(client, login.json(), "ada@example.com")
        workspace = ada.session["workspace_id"]
        events = (await ada.get("/api/events"))["events"]
        assert {event["project"] for event in events} == {"search", None}
        assert [budget["name"] for budget in (await ada.get("/api/budgets"))["budgets"]] == ["Small", "Tagged"]
        before = await ada.get("/api/alerts")
        assert sorted(alert["kind"] for alert in before["alerts"]) == ["budget", "budget", "budget", "unpriced_model"]
        # An alert goes to its channels.
        assert (await ada.track(model="another-unknown-model")).status_code == 201
        (alert,) = [alert for alert in (await ada.get("/api/alerts"))["alerts"] if alert not in before["alerts"]]
        assert [delivery["channel"] for delivery in alert["deliveries"]] == ["hook"]
    connection = await asyncpg.connect(old)
    assert await connection.fetchval("select public.rollup_differences($1, '-infinity')", workspace) == 0
    await connection.close()


async def test_an_older_database_is_refused_with_what_to_do(new_database: NewDatabase) -> None:
    url = await new_database(
        OLD + "delete from supabase_migrations.schema_migrations where version > '20261121001300';"
    )
    before = dump(url)
    with pytest.raises(StartError, match=r"20261121001300, which is too old .*/20261121002800_fewer_steps\.sql"):
        await migrated(url)
    assert dump(url) == before


async def test_a_named_change_is_written_as_a_migration(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = await new_database()
    await migrated(url)
    supabase = shutil.copytree(MIGRATIONS.parent, tmp_path / "supabase")
    monkeypatch.setattr(schema, "SCHEMAS", supabase / "schemas")
    monkeypatch.setattr(schema, "MIGRATIONS", supabase / "migrations")
    monkeypatch.setattr(roads.migrations, "MIGRATIONS", supabase / "migrations")

    def change(noun: str, before: str, after: str) -> None:
        (path,) = (supabase / "schemas").glob(f"*_{noun}.sql")
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    change("alerts", "d.status = 'pending')", "d.status <> 'dead')")
    change("workspaces", "workspace_ids() returns jsonb", "workspace_ids(\n  p_limit integer\n) returns jsonb")
    change("alerts", "'created_at', c.created_at) as channel", "'created_at', c.created_at) as channel, c.kind")
    change("live", "create function public.changes_of(", "create function public.changes_of_all(")
    assert schema.differing() == [
        "llmlab_private.channels_as_json",
        "public.changes_of",
        "public.changes_of_all",
        "public.outbox_pending",
        "public.workspace_ids",
    ]
    schema.main(["Another", "outbox!"])
    assert capsys.readouterr().out.endswith("_another_outbox.sql\n")
    assert schema.differing() == []
    (version,) = await migrated(url)
    assert dump(url) == dump(await new_database(schema.joined(version)))
    # The baseline is what has been released.
    with pytest.raises(SystemExit, match="name the change"):
        schema.main([])


async def test_every_table_has_row_security_and_no_trigger(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    # A table whose rows belong to workspaces could not be distributed with one.
    assert await sql.fetch("select tgname from pg_trigger where not tgisinternal") == []
    tables = await sql.fetch(
        "select relname, relrowsecurity from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    assert len(tables) > 20
    assert [row["relname"] for row in tables if not row["relrowsecurity"]] == []


async def test_no_column_workspace_id_has_statistics(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    found = await sql.fetch(
        "select attrelid::regclass::text as name, attstattarget from pg_attribute a join pg_class c on c.oid = attrelid"
        " where attname = 'workspace_id' and relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    assert {row["name"] for row in found if row["attstattarget"] != 0} == set()
    assert len(found) > 20


async def test_every_function_has_a_time_limit(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    found = await sql.fetch(
        "select proname, substring(array_to_string(proconfig, ' ') from 'statement_timeout=(\\w+)') as limit"
        " from pg_proc where pronamespace = 'public'::regnamespace and proname <> 'schema_version'"
    )
    limits = {row["proname"]: row["limit"] for row in found}
    assert {limits[name] for name in RECORDING} == {"5s"}
    assert {limits[name] for name in limits if name.startswith(("export_", "retention_", "watch_"))} == {"5s"}
    assert {limits[name] for name in limits if name.startswith(("cost_", "metrics_"))} == {"10s"}
    # These read or delete all rows of a workspace.
    assert {name for name in limits if limits[name] not in ("5s", "10s")} == {
        "rebuild_rollups", "rollup_differences", "user_delete", "workspace_delete"
    }  # fmt: skip


async def test_no_function_takes_a_row_of_a_table(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    found = await sql.fetch(
        "select p.proname from pg_proc p cross join unnest(p.proargtypes || p.prorettype) as given (type)"
        " join pg_type t on t.oid = given.type and t.typtype = 'c'"
        " where p.pronamespace in ('public'::regnamespace, 'llmlab_private'::regnamespace)"
    )
    assert found == []


async def test_only_the_service_role_may_call_functions_and_read_tables(
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    allowed = await sql.fetch(
        "select name, role, may from ("
        " select p.oid::regprocedure::text as name, p.pronamespace as schema, 'execute' as may,"
        "   array_agg(a.grantee::regrole::text) filter (where a.grantee <> p.proowner) as role"
        " from pg_proc p cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a group by p.oid"
        " union all"
        " select c.oid::regclass::text, c.relnamespace, string_agg(a.privilege_type, ' ' order by a.privilege_type)"
        "   filter (where a.grantee <> c.relowner),"
        "   array_agg(distinct a.grantee::regrole::text) filter (where a.grantee <> c.relowner)"
        " from pg_class c cross join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a"
        " where c.relkind in ('r', 'v') group by c.oid"
        ") found where schema in ('public'::regnamespace, 'llmlab_private'::regnamespace)"
    )
    assert len(allowed) > 140
    assert {tuple(row["role"]) for row in allowed} == {("service_role",)}
    views = {row["name"]: row["may"] for row in allowed if row["name"].startswith("llmlab_private.")}
    assert {may for name, may in views.items() if "(" not in name} == {"SELECT"}
    assert {row["may"] for row in allowed if "(" not in row["name"] and row["name"] not in views} == {
        "DELETE INSERT SELECT UPDATE",
        "INSERT SELECT",
    }
