"""Watch for anomalies."""

from uuid import UUID

from models import Row


class Watched(Row):
    """A workspace that is due to be looked at, and the time zone of its days."""

    workspace_id: UUID
    tz: str
