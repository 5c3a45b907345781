"""The server engine: health, version and metrics of the server itself."""

import asyncio
from datetime import datetime
from hmac import compare_digest

from database import Database
from engines.events import EventEngine
from schemas.server import About, Health
from utils import metrics
from utils.errors import NotFound, Unavailable
from utils.extras import installed
from utils.recent import Recent
from utils.time import now

# Age that another process's metrics may have.
_NOTE_EVERY_SECONDS = 5.0
# Longest query for a scrape; Prometheus gives up after ten seconds.
_LONGEST_LOOK_SECONDS = 4.0


class ServerEngine:
    """Reports the health of the server and its load."""

    def __init__(self, database: Database, version: str, events: EventEngine, metrics_token: str | None) -> None:
        self._database = database
        self._version = version
        self._started: datetime = now()
        self._events = events
        self._metrics_token = metrics_token
        self._outbox: Recent[None, int | None] = Recent(self._count_outbox, seconds=5.0)

    async def health(self) -> Health:
        """The health of the server, with a query to the database."""
        connected = await self._database.ping()
        at = now()
        return Health(
            status="healthy" if connected else "degraded",
            version=self._version,
            uptime_seconds=round((at - self._started).total_seconds(), 3),
            database_connected=connected,
            timestamp=at,
            extras=installed(),
        )

    async def about(self) -> About:
        """The name and version, and where the documentation is."""
        return About(
            name="LLMLab",
            description="The ledger of what an organisation spends on language models",
            version=self._version,
            docs="/docs",
            openapi="/openapi.json",
            health="/api/health",
        )

    async def metrics(self, token: str | None, *, local: bool) -> tuple[bytes, str]:
        """The metrics for Prometheus and their media type; with the token or, if none is set, from this machine.

        Raises NotFound otherwise.
        """
        if not self._may_read_metrics(token, local=local):
            raise NotFound("Path not found")
        metrics.note_database(await self._outbox.get(None))
        self._note()
        return await asyncio.to_thread(metrics.exposition), metrics.CONTENT_TYPE

    async def run(self) -> None:
        """Publishes this process's metrics every 5 seconds, for the process that is scraped. Ends when cancelled."""
        while True:
            self._note()
            await asyncio.sleep(_NOTE_EVERY_SECONDS)

    def _may_read_metrics(self, token: str | None, *, local: bool) -> bool:
        if self._metrics_token is None:
            return local
        return token is not None and compare_digest(token.encode(), self._metrics_token.encode())

    def _note(self) -> None:
        metrics.note_process(self._events.waiting, self._database.connections())

    async def _count_outbox(self, _: None) -> int | None:
        """The number of waiting deliveries; None when the database does not answer in time."""
        try:
            async with asyncio.timeout(_LONGEST_LOOK_SECONDS):
                return await self._database.outbox_pending()
        except (Unavailable, TimeoutError):
            return None
