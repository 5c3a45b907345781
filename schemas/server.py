"""The server: health and links."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from models import Answer
from utils.extras import Extra


class Health(Answer):
    """Health of the server."""

    status: Literal["healthy", "degraded"]
    version: str
    uptime_seconds: float
    database_connected: bool
    timestamp: datetime
    extras: list[Extra] = Field(
        description="Installed optional packages: parquet for exports as Parquet, apprise for alerts on services other "
        "than Slack, Discord and e-mail"
    )


class About(Answer):
    """Name, version and links."""

    name: str
    description: str
    version: str
    docs: str
    openapi: str
    health: str
