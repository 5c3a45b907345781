"""Migrations, which create the schema. They are recorded in the same table as by the Supabase CLI."""

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from utils.errors import StartError

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

MIGRATIONS = Path(__file__).parent.parent / "supabase" / "migrations"
# A database at the last version before the baseline is brought to the baseline; an older one is refused.
_BEFORE_BASELINE = MIGRATIONS.parent / "before_baseline.sql"
_OLDEST_VERSION, _LAST_BEFORE_BASELINE = "20261120000100", "20261121002800"
# Key of the advisory lock that keeps two servers from migrating a database at once. Any constant works.
_LOCK = 4_815_162_342
# Timeout of a statement, which may have to rebuild the totals of many events.
_STATEMENT_SECONDS = 6 * 3600.0


def newest_version() -> str:
    """The version of the newest migration."""
    return max(path.name.split("_")[0] for path in MIGRATIONS.glob("*.sql"))


async def migrate(connection: "Connection") -> list[str]:
    """Runs pending migrations in one transaction and returns their versions.

    Servers that start together take turns. Raises StartError when the database is too old.
    """
    # In one transaction, the lock also works behind a transaction pooler, and is always released.
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK, timeout=_STATEMENT_SECONDS)
        await connection.execute(
            "create schema if not exists supabase_migrations;"
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text)"
        )
        done = {row["version"] for row in await connection.fetch(
            "select version from supabase_migrations.schema_migrations"
        )}  # fmt: skip
        ran = []
        if old := {version for version in done if _OLDEST_VERSION <= version <= _LAST_BEFORE_BASELINE}:
            done.add(await _adopt_baseline(connection, max(old)))
        for path in sorted(MIGRATIONS.glob("*.sql")):
            version, name = path.stem.split("_", 1)
            if version in done:
                continue
            statements = path.read_text()
            await connection.execute(statements, timeout=_STATEMENT_SECONDS)
            await _record(connection, version, name, statements)
            ran.append(version)
        return ran


async def _adopt_baseline(connection: "Connection", found: str) -> str:
    """Brings a database at the last version before the baseline to the baseline, whose version it returns.

    Its tables stay; its functions and views are replaced.
    """
    if found < _LAST_BEFORE_BASELINE:
        raise StartError(
            f"The database is at version {found}, which is too old for this version of LLMLab. First start the last"
            f" version that has supabase/migrations/{_LAST_BEFORE_BASELINE}_fewer_steps.sql with it, then this one."
        )
    (path,) = MIGRATIONS.glob("*_baseline.sql")
    version, name = path.stem.split("_", 1)
    statements = path.read_text()
    roles, _, rest = statements.partition("\n-- Tables\n")
    _, _, functions = rest.partition("\n-- Functions\n")
    for part in (_BEFORE_BASELINE.read_text(), roles, functions):
        await connection.execute(part, timeout=_STATEMENT_SECONDS)
    await connection.execute(
        "delete from supabase_migrations.schema_migrations where version between $1 and $2",
        _OLDEST_VERSION,
        _LAST_BEFORE_BASELINE,
    )
    await _record(connection, version, name, statements)
    return version


async def _record(connection: "Connection", version: str, name: str, statements: str) -> None:
    await connection.execute(
        "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
        version,
        [statements],
        name,
    )
