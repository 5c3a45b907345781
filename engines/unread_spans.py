"""The engine of unread spans: counts those that look like model calls, but are of no known convention."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid5

from database import Database
from engines.changes import Changes
from providers.formats import UnreadCall
from schemas.identities import Identity
from schemas.unread_spans import UnreadAttribute, UnreadCount, UnreadSpans
from utils import json
from utils.background import Background
from utils.errors import LLMLabError
from utils.time import now

# Maximum number of kinds of a workspace, in memory and in the table. Further ones are not counted.
MOST_KINDS = 50
_WRITE_EVERY_SECONDS = 5.0
# An arbitrary fixed namespace for the ids of kinds.
_NAMESPACE = UUID("0f6a54a8-0d3c-4a2e-8c5e-5a1f9d1f7c43")


@dataclass
class UnreadTotal:
    """The spans with the same scope and names of attributes: their number, and the attributes of one of them."""

    example: Mapping[str, str | None]
    spans: int = 0


class UnreadSpanEngine:
    """Counts spans that were not understood, and stores the counts every few seconds."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._counts: dict[UUID, dict[UnreadCall, UnreadTotal]] = {}
        self.writing = Background("Counting spans that were not understood", self.write, _WRITE_EVERY_SECONDS)

    async def unread_spans(self, identity: Identity) -> UnreadSpans:
        """The kinds of spans that were seen in the last 7 days, newest first."""
        return UnreadSpans(unread_spans=await self._database.unread_spans_list(identity.workspace_id, now()))

    def note(self, workspace_id: UUID, totals: Mapping[UnreadCall, UnreadTotal]) -> None:
        """Counts spans."""
        if not totals:
            return
        counts = self._counts.setdefault(workspace_id, {})
        for kind, total in totals.items():
            if kind in counts:
                counts[kind].spans += total.spans
            elif len(counts) < MOST_KINDS:
                counts[kind] = total

    async def write(self) -> bool:
        """Stores the counts of one workspace; returns whether there are more."""
        if not self._counts:
            return False
        workspace_id = next(iter(self._counts))
        totals = self._counts.pop(workspace_id)
        try:
            await self._database.unread_spans_note(
                workspace_id, [_count(kind, total) for kind, total in totals.items()], now()
            )
        except BaseException:
            self.note(workspace_id, totals)
            raise
        self._changes.note(workspace_id, "events")
        return bool(self._counts)

    async def close(self) -> None:
        """Stores the last counts, unless the database does not answer."""
        with suppress(LLMLabError):
            while await self.write():
                pass


def _count(kind: UnreadCall, total: UnreadTotal) -> UnreadCount:
    return UnreadCount(
        id=uuid5(_NAMESPACE, json.dumps([kind.scope, *kind.names]).decode()),
        scope=kind.scope,
        spans=total.spans,
        example=[UnreadAttribute(name=name, value=value) for name, value in total.example.items()],
    )
