"""Deletion of old events."""

from models import Row, Time


class Swept(Row):
    """How many events were deleted, and the time of the last one."""

    deleted: int
    reached: Time | None
