"""Times in UTC and calendar days in a time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def midnight(day: date, tz: str) -> datetime:
    """The start of a calendar day in a time zone, as a UTC time."""
    return datetime.combine(day, time.min, ZoneInfo(tz)).astimezone(UTC)


def last_days(days: int, tz: str, at: datetime) -> tuple[datetime, datetime]:
    """The range [start, end) of the last calendar days, up to and including the day of `at`."""
    today = at.astimezone(ZoneInfo(tz)).date()
    return midnight(today - timedelta(days=days - 1), tz), midnight(today + timedelta(days=1), tz)


def hour_before(at: datetime) -> datetime:
    """The start of the UTC hour that contains `at`."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_after(at: datetime) -> datetime:
    """The start of the first UTC hour at or after `at`."""
    start = hour_before(at)
    return start if start == at else start + timedelta(hours=1)


def restore_plus(text: str) -> str:
    """Restores the plus sign of a UTC offset, which an unescaped query turns into a space."""
    return f"{text[:-6]}+{text[-5:]}" if len(text) > 19 and text[-6] == " " else text
