"""The watch for anomalies."""

from collections.abc import Sequence
from datetime import datetime

from queries.functions import Functions, function
from schemas.anomalies import Anomaly
from schemas.watch import Watched
from utils import json


class WatchQueries(Functions):
    @function
    async def watch_claim(self, now: datetime, limit: int) -> list[Watched]:
        """Claims workspaces that are due for a check. No other server gets them within the hour."""

    async def watch_note(self, watched: Watched, anomalies: Sequence[Anomaly], now: datetime) -> None:
        """Writes alerts for the anomalies, and the digests that are due."""
        await self._do(
            "watch_note",
            workspace_id=watched.workspace_id,
            tz=watched.tz,
            anomalies=json.dumps(anomalies).decode(),
            now=now,
        )
