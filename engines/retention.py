"""The retention engine: the task that deletes expired events."""

import asyncio
import logging
import random
from datetime import datetime
from uuid import UUID

from database import Database
from utils.background import Background
from utils.time import now

EVENTS_AT_ONCE = 1_000
_LOOK_EVERY_SECONDS = 600.0
# Seconds of rest for each second of deleting: that takes a tenth of the time.
_REST = 9.0

log = logging.getLogger("llmlab.retention")


class RetentionEngine:
    """Deletes expired events in small batches with rests between them. The totals stay."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # The workspaces with expired events, the current one last, and the time of its last deleted event.
        self._due: list[UUID] = []
        self._reached: datetime | None = None
        self._deleted = 0
        self.sweeping = Background("Deletions of old events", self.sweep, _LOOK_EVERY_SECONDS)

    async def sweep(self) -> bool:
        """Deletes a batch of one workspace, unless another process does; returns whether there may be more."""
        if not self._due:
            self._due = await self._database.retention_due(now())
            # Shuffled, so that processes begin with different ones and a failing one delays different others each time.
            random.shuffle(self._due)
        if self._due:
            await self._sweep(self._due.pop())
        if self._deleted and not self._due:
            log.info("Deleted %s expired events", f"{self._deleted:,}")
            self._deleted = 0
        return bool(self._due)

    async def _sweep(self, workspace_id: UUID) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        reached, self._reached = self._reached, None
        swept = await self._database.retention_sweep(workspace_id, reached, EVENTS_AT_ONCE, now())
        if swept.deleted:
            self._due.append(workspace_id)
            self._reached = swept.reached
            self._deleted += swept.deleted
            await asyncio.sleep(_REST * (loop.time() - started))
