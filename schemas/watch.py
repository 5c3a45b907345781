"""The watch for anomalies. Internal: no caller receives these."""

from uuid import UUID

from models import Row


class Watched(Row):
    """A workspace that is due for a check, and the time zone of its days."""

    workspace_id: UUID
    tz: str
