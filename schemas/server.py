"""The server: its health, and where its documents are."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from models import Answer
from utils.extras import Extra


class Health(Answer):
    """Whether the server can do its work."""

    status: Literal["healthy", "degraded"]
    version: str
    uptime_seconds: float
    database_connected: bool
    timestamp: datetime
    extras: list[Extra] = Field(
        description="Optional packages that are installed: parquet for exports as Parquet, apprise for alerts on more "
        "services than Slack, Discord and e-mail"
    )


class About(Answer):
    """What this is and where to read on."""

    name: str
    description: str
    version: str
    docs: str
    openapi: str
    health: str
