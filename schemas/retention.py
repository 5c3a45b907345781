"""Retention: deletion of old events. Internal: no caller receives these."""

from models import Row, Time


class Swept(Row):
    """The number of events deleted, and the time of the last one."""

    deleted: int
    reached: Time | None
