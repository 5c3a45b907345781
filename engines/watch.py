"""The watch engine: looks for anomalies in every workspace each hour, and prepares its digests."""

from datetime import datetime

from database import Database
from engines.anomalies import AnomalyEngine
from engines.changes import Changes
from schemas.watch import Watched
from utils.background import Background
from utils.time import now

_LOOK_EVERY_SECONDS = 60.0
_AT_ONCE = 20


class WatchEngine:
    """Makes alerts of anomalies, once per day and place, and digests for the channels that want them.

    One process looks at each workspace, once in an hour.
    """

    def __init__(self, database: Database, anomalies: AnomalyEngine, changes: Changes) -> None:
        self._database = database
        self._anomalies = anomalies
        self._changes = changes
        self.watching = Background("Anomalies and digests", self.look, _LOOK_EVERY_SECONDS)

    async def look(self) -> bool:
        """Looks at some of the workspaces that are due; returns whether there may be more."""
        at = now()
        due = await self._database.watch_claim(at, _AT_ONCE)
        failure = None
        for watched in due:
            try:
                await self._look_at(watched, at)
            except Exception as error:
                # One workspace must not hold up the others: they are claimed for an hour.
                failure = error
        if failure is not None:
            raise failure
        return len(due) == _AT_ONCE

    async def _look_at(self, watched: Watched, at: datetime) -> None:
        found = await self._anomalies.alarming(watched.workspace_id, watched.tz, at)
        await self._database.watch_note(watched, found, at)
        if found:
            self._changes.note(watched.workspace_id, "alerts")
