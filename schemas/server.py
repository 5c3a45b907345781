"""The server: its health, and where its documents are."""

from datetime import datetime
from typing import Literal

from models import Answer


class Health(Answer):
    """Whether the server can do its work."""

    status: Literal["healthy", "degraded"]
    version: str
    uptime_seconds: float
    database_connected: bool
    timestamp: datetime


class About(Answer):
    """What this is and where to read on."""

    name: str
    description: str
    version: str
    docs: str
    openapi: str
    health: str
