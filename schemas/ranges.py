"""Ranges of days in a query, and the moments in UTC that they resolve to."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, PlainValidator, StringConstraints, WithJsonSchema

from utils.errors import Invalid
from utils.time import hour_after, hour_before, last_days, midnight, restore_plus


def _day_or_time(value: object) -> date | datetime:
    text = restore_plus(str(value))
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("must include the offset from UTC, as in 2026-01-31T12:00:00Z")
    return moment


DayOrTime = Annotated[
    date | datetime,
    PlainValidator(_day_or_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]


@dataclass(frozen=True, slots=True)
class CostRange:
    """A range of days in a time zone: the last `days`, or from `start` to `end`.

    A date means the whole day. A time is widened to full UTC hours, because totals are kept by the hour; answers
    state the range they cover.
    """

    days: int
    start: date | datetime | None
    end: date | datetime | None
    tz: str

    def resolve(self, at: datetime) -> tuple[datetime, datetime]:
        """The range [start, end) in UTC. Raises Invalid if it is empty or longer than 366 days."""
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment is not None and not 2000 <= moment.year <= 2100:
                raise Invalid(f"{name} must be between the years 2000 and 2100", loc=("query", name))
        if self.start is None and self.end is None:
            return last_days(self.days, self.tz, at)
        if self.start is None:
            raise Invalid("end requires start", loc=("query", "start"))
        start = hour_before(self.start) if isinstance(self.start, datetime) else midnight(self.start, self.tz)
        if self.end is None:
            end = last_days(1, self.tz, at)[1]
        elif isinstance(self.end, datetime):
            end = hour_after(self.end)
        else:
            end = midnight(self.end + timedelta(days=1), self.tz)
        if start >= end:
            raise Invalid("start must be before end", loc=("query", "start"))
        if end - start > timedelta(days=366, hours=1):
            raise Invalid("A range covers at most 366 days", loc=("query", "start"))
        return start, end


class Span(NamedTuple):
    """A period from one day or time to another, including the last day, or a calendar month."""

    start: date | datetime
    end: date | datetime
    is_month: bool = False

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Reads a month, a day, or two days or two times with .. between them."""
        if re.fullmatch(r"\d{4}-\d{2}", text):
            if not "2000" <= text <= "2100":
                raise ValueError("must be between the years 2000 and 2100")
            first = _day_or_time(f"{text}-01")
            return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1), True)
        start, separator, end = text.partition("..")
        span = cls(_day_or_time(start), _day_or_time(end if separator else start))
        if isinstance(span.start, datetime) != isinstance(span.end, datetime) or (
            isinstance(span.start, datetime) and not separator
        ):
            raise ValueError("must be a month, a day, or two days or two times with .. between them")
        return span

    def resolve(self, tz: str, at: datetime) -> tuple[datetime, datetime]:
        """The range [start, end) in UTC. Raises Invalid if it is empty or longer than 366 days."""
        return CostRange(1, self.start, self.end, tz).resolve(at)

    def before(self) -> "Span":
        """The previous month if this is a month, otherwise the preceding period of the same length."""
        if self.is_month:
            end = self.start - timedelta(days=1)
            return Span(end.replace(day=1), end, True)
        day = timedelta(0) if isinstance(self.start, datetime) else timedelta(days=1)
        length = self.end - self.start + day
        return Span(self.start - length, self.end - length)


def _is_span(text: str) -> str:
    Span.parse(text)
    return text


SpanText = Annotated[str, StringConstraints(max_length=80), AfterValidator(_is_span)]


@dataclass(frozen=True, slots=True)
class TwoPeriods:
    """Two periods to compare: by default the last `days` whole days up to yesterday, and the period before them."""

    days: int
    before: str | None
    after: str | None
    tz: str

    def resolve(self, at: datetime) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
        """Both ranges [start, end) in UTC, the earlier one first. Raises Invalid as CostRange does."""
        today = at.astimezone(ZoneInfo(self.tz)).date()
        usual = Span(today - timedelta(days=self.days), today - timedelta(days=1))
        later = usual if self.after is None else Span.parse(self.after)
        after = self._resolve(later, "to", at)
        return self._resolve(later.before() if self.before is None else Span.parse(self.before), "from", at), after

    def _resolve(self, span: Span, name: str, at: datetime) -> tuple[datetime, datetime]:
        try:
            return span.resolve(self.tz, at)
        except Invalid as error:
            raise Invalid(f"{name}: {error.detail}", loc=("query", name)) from None
