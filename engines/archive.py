"""The archive engine: all data of a workspace as one archive, made while it is sent."""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from database import Database
from schemas.events import EventFilter
from schemas.exports import SpendKey
from schemas.identities import Identity
from utils.json import dumps
from utils.sinks import Sink
from utils.time import now

_EVENTS_AT_ONCE = 500
_TOTALS_AT_ONCE = 2_000
# Columns with amounts, which the database returns as text to keep every digit; in the archive they are numbers.
_MONEY = frozenset(
    {
        "limit", "spend", "cost", "error_cost", "latency_ms_sum", "percent_of_list", "input", "cache_read",
        "cache_write", "cache_write_1h", "output", "reasoning", "request",
    }
)  # fmt: skip


class ArchiveEngine:
    """Makes archives: a ZIP with a file of JSON lines per table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def archive(self, identity: Identity) -> AsyncIterator[bytes]:
        """The archive in pieces. The memory it takes does not depend on its size."""
        sink = Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            tables = await self._database.export_workspace(identity.workspace_id, now())
            for name, table in tables.items():
                with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
                    await asyncio.to_thread(_write, file, table)
                yield sink.taken()
            for name, pages in (
                ("audit_log", self._audit_log(identity)),
                ("feedback", self._feedback(identity)),
                ("spend_hourly", self._spend(identity)),
                ("events", self._events(identity)),
            ):
                with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
                    async for rows in pages:
                        # In a thread: compressing half a megabyte would block the event loop.
                        await asyncio.to_thread(_write, file, rows)
                        yield sink.taken()
        yield sink.taken()

    async def _audit_log(self, identity: Identity) -> AsyncIterator[Iterable[Any]]:
        before = None
        while lines := await self._database.audit_list(identity.workspace_id, before, _EVENTS_AT_ONCE):
            yield lines
            before = (lines[-1].at, lines[-1].id)

    async def _feedback(self, identity: Identity) -> AsyncIterator[Iterable[Any]]:
        before = None
        while ratings := await self._database.feedback_list(identity.workspace_id, before, _EVENTS_AT_ONCE):
            yield ratings
            before = (ratings[-1].created_at, ratings[-1].id)

    async def _spend(self, identity: Identity) -> AsyncIterator[Iterable[Any]]:
        after = None
        while totals := await self._database.export_spend(identity.workspace_id, after, _TOTALS_AT_ONCE):
            yield totals
            last = totals[-1]
            bucket = datetime.fromisoformat(last["bucket"])
            after = SpendKey(bucket, last["project"], last["provider"], last["model"])

    async def _events(self, identity: Identity) -> AsyncIterator[Iterable[Any]]:
        before = None
        while events := await self._database.event_list(
            identity.workspace_id, EventFilter(before=before, limit=_EVENTS_AT_ONCE)
        ):
            yield events
            before = (events[-1].timestamp, events[-1].event_id)


def _write(file: Any, rows: Iterable[Any]) -> None:
    file.write(b"".join(dumps(_exact(row)) + b"\n" for row in rows))


def _exact(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {name: Decimal(value) if name in _MONEY and isinstance(value, str) else value for name, value in row.items()}
