"""The watch: looks at every workspace each hour and writes down what somebody should be told without asking."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from database import Database
from schemas.anomalies import Anomaly
from schemas.live import Changed
from utils.background import Background
from utils.time import now

_LOOK_EVERY_SECONDS = 60.0
_AT_ONCE = 20

Unusual = Callable[[UUID, str, datetime], Awaitable[list[Anomaly]]]


class WatchEngine:
    """Makes alerts of anomalies, once per day and place, and digests for the channels that want them.

    `unusual(workspace_id, tz, at)` says what stands out, and `changed` is called when something does.
    Each workspace is looked at by one process in an hour.
    """

    def __init__(self, database: Database, unusual: Unusual, changed: Changed) -> None:
        self._database = database
        self._unusual = unusual
        self._changed = changed
        self.watching = Background("Anomalies and digests", self.look, _LOOK_EVERY_SECONDS)

    async def look(self) -> bool:
        """Looks at some of the workspaces that are due; returns whether there may be more."""
        at = now()
        due = await self._database.watch_claim(at, _AT_ONCE)
        for watched in due:
            found = await self._unusual(watched.workspace_id, watched.tz, at)
            await self._database.watch_note(watched, found, at)
            if found:
                self._changed(watched.workspace_id, "alerts")
        return len(due) == _AT_ONCE
