"""The server's own state: how it is, what it is, and how busy."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from hmac import compare_digest

from database import Database
from schemas.server import About, Health
from utils import metrics
from utils.errors import NotFound, Unavailable
from utils.extras import installed
from utils.recent import Recent
from utils.time import now

# How old what another process has may be.
_NOTE_EVERY_SECONDS = 5.0
# Prometheus gives up after ten.
_LONGEST_LOOK_SECONDS = 4.0


class ServerEngine:
    """Tells whether the server can do its work, and how much of it there is."""

    def __init__(self, database: Database, version: str, waiting: Callable[[], int], metrics_token: str | None) -> None:
        self._database = database
        self._version = version
        self._started: datetime = now()
        self._waiting = waiting
        self._metrics_token = metrics_token
        self._outbox: Recent[None, int | None] = Recent(self._count_outbox, seconds=5.0)

    async def health(self) -> Health:
        """Asks the database for real."""
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
        """What this is and where to read on."""
        return About(
            name="LLMLab",
            description="The ledger of what an organisation spends on language models",
            version=self._version,
            docs="/docs",
            openapi="/openapi.json",
            health="/api/health",
        )

    async def metrics(self, token: str | None, *, local: bool) -> tuple[bytes, str]:
        """What Prometheus reads, and its media type; for the token, or if there is none for this machine.

        Raises NotFound for everybody else.
        """
        if not self._may_read_metrics(token, local=local):
            raise NotFound("There is nothing at this path")
        metrics.note_database(await self._outbox.get(None))
        self._note()
        return await asyncio.to_thread(metrics.exposition), metrics.CONTENT_TYPE

    async def run(self) -> None:
        """Notes now and then how this process is, for the one that is asked. Ends when it is cancelled."""
        while True:
            self._note()
            await asyncio.sleep(_NOTE_EVERY_SECONDS)

    def _may_read_metrics(self, token: str | None, *, local: bool) -> bool:
        if self._metrics_token is None:
            return local
        return token is not None and compare_digest(token.encode(), self._metrics_token.encode())

    def _note(self) -> None:
        metrics.note_process(self._waiting(), self._database.connections())

    async def _count_outbox(self, _: None) -> int | None:
        """How many deliveries wait; None when the database does not say so in time."""
        try:
            async with asyncio.timeout(_LONGEST_LOOK_SECONDS):
                return await self._database.outbox_pending()
        except (Unavailable, TimeoutError):
            return None
