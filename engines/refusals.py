"""The refusal engine: counts the requests that limits refuse."""

from collections import Counter
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from database import Database
from engines.changes import Changes
from schemas.identities import Identity
from schemas.refusals import LimitName, Refusal
from utils.background import Background
from utils.errors import LLMLabError
from utils.metrics import count_refusal
from utils.time import hour_before, now

_WRITE_EVERY_SECONDS = 5.0


class RefusalEngine:
    """Counts refused requests for the metrics at once, and for the page of the keys every few seconds.

    The first refused request of a day that would have recorded calls makes an alert.
    """

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._counts: dict[UUID, Counter[tuple[UUID, datetime, LimitName]]] = {}
        self.writing = Background("Counting refused requests", self.write, _WRITE_EVERY_SECONDS)

    def note(self, identity: Identity | None, limit: LimitName) -> None:
        """Counts a request that was refused. Without an identity it is in the metrics only."""
        count_refusal(limit)
        if identity is not None:
            counts = self._counts.setdefault(identity.workspace_id, Counter())
            counts[identity.actor_id, hour_before(now()), limit] += 1

    async def write(self) -> bool:
        """Stores the counts of one workspace; returns whether there are more."""
        if not self._counts:
            return False
        workspace_id = next(iter(self._counts))
        counts = self._counts.pop(workspace_id)
        refusals = [Refusal(*what, requests) for what, requests in counts.items()]
        try:
            if await self._database.refusals_note(workspace_id, refusals, now()):
                self._changes.note(workspace_id, "alerts")
        except BaseException:
            self._counts.setdefault(workspace_id, Counter()).update(counts)
            raise
        return bool(self._counts)

    async def close(self) -> None:
        """Stores the last counts, unless the database does not answer."""
        with suppress(LLMLabError):
            while await self.write():
                pass
