"""The schema as Supabase's linter sees it: the rules of splinter, which the program postgres-language-server runs.

It lacks the rules about buckets and pg_graphql, which LLMLab does not use, and those about functions that run with the
rights of their owner: there are none.
"""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.plugin import drop_database, new_project
from tests.support.supabase_server import FOLDER

# The objects of which a rule may report something, and why.
EXCEPTIONS = {
    # Without a policy, row security refuses every role but service_role, which bypasses it.
    "rlsEnabledNoPolicy": r"public\.\w+",
    # With a search path of their own, the planner could not inline these. Names in them are qualified, or bound when
    # the function is created, and only service_role reaches their schema.
    "functionSearchPathMutable": r"llmlab_private\.(is_counted_by_event|latency_bucket|metric_cells|period_end"
    r"|period_start|period_unit|retention_limit|spend_bucket|spend_cells|utc_day)",
    # Nothing has been asked of a new database.
    "unusedIndex": r"\w+",
}
# Each statement breaks the rule of its name.
FAULTS = {
    "noPrimaryKey": "create table public.bare (id integer)",
    "rlsDisabledInPublic": "create table public.open (id integer primary key)",
    "policyExistsRlsDisabled": "create policy everybody on public.open using (true)",
    "rlsPolicyAlwaysTrue": "create table public.lax (id integer primary key);"
    "alter table public.lax enable row level security; create policy lax on public.lax for all to anon using (true)",
    "unindexedForeignKeys": "create table public.child (id integer primary key, open integer references public.open)",
    "duplicateIndex": "create index one on public.open (id); create index two on public.open (id)",
    "functionSearchPathMutable": "create function public.loose() returns integer language sql as 'select 1'",
    "securityDefinerView": "create view public.seen as select * from public.open;grant select on public.seen to anon",
    "materializedViewInApi": "create materialized view public.kept as select 1; grant select on public.kept to anon",
    "sensitiveColumnsExposed": "create table public.people (id integer primary key, password text);"
    "grant select on public.people to anon",
}


class Finding(NamedTuple):
    """A rule, and the object of which it reports something."""

    rule: str
    about: str


def findings(url: str, folder: Path) -> set[Finding]:
    """What the linter reports of a database."""
    programs = sorted(FOLDER.glob("node_modules/@postgres-language-server/cli-*/postgres-language-server"))
    program = programs[0] if programs else shutil.which("postgres-language-server")
    assert program, "./run.sh test installs it; where npm has none, put one into the PATH"
    configuration = {"splinter": {"enabled": True, "rules": {"all": True}}}
    (folder / "postgres-language-server.jsonc").write_text(json.dumps(configuration))
    # This program takes the user only as a parameter if the host is one.
    address = f"{url.replace('postgres@', '', 1)}&user=postgres"
    done = subprocess.run(
        [program, "dblint", "--config-path", folder, "--connection-string", address, "--reporter", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["skippedDiagnostics"] == 0
    return {Finding(found["category"].rsplit("/", 1)[1], name_in(found["message"])) for found in report["diagnostics"]}


def name_in(message: str) -> str:
    """The first name in a message, which is quoted in one of three ways."""
    quoted = re.search(r'\\?[`"]([^`"\\]+)\\?[`"]', message)
    assert quoted, message
    return quoted[1]


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """The database of a project."""
    url = asyncio.run(new_project(postgres_url))
    # The rules look at the schemas that PostgREST exposes, as it says in this setting.
    asyncio.run(execute(url, f"alter database {urlsplit(url).path[1:]} set pgrst.db_schemas = 'public'"))
    yield url
    asyncio.run(drop_database(url))


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def test_the_schema_breaks_no_rule_but_the_listed_ones(url: str, tmp_path: Path) -> None:
    found = findings(url, tmp_path)
    assert {one for one in found if not re.fullmatch(EXCEPTIONS.get(one.rule, ""), one.about)} == set()
    assert {one.rule for one in found} == EXCEPTIONS.keys()


def test_the_linter_finds_faults(url: str, tmp_path: Path) -> None:
    asyncio.run(execute(url, ";".join(FAULTS.values())))
    found = findings(url, tmp_path)
    assert {one.rule for one in found if not re.fullmatch(EXCEPTIONS.get(one.rule, ""), one.about)} == FAULTS.keys()


async def test_no_function_runs_with_the_rights_of_its_owner(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert await sql.fetch("select proname from pg_proc where prosecdef and proname !~ '^pg_'") == []
