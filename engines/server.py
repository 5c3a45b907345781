"""The server's own state: how it is, and what it is."""

from datetime import datetime

from database import Database
from models import About, Health
from utils.time import now


class ServerEngine:
    """Tells whether the server can do its work."""

    def __init__(self, database: Database, version: str) -> None:
        self._database = database
        self._version = version
        self._started: datetime = now()

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
