"""Parameters that several paths share."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from models import ModelName, Name, ProviderName, Status, Tag, Time, TimeZone, Violation
from routes.call import Call
from schemas.costs import SeriesFilter, SplitBy
from schemas.events import EventFilter, TagFilter
from schemas.metrics import MetricFilter
from schemas.ranges import CostRange, DayOrTime, SpanText, TwoPeriods

Limit = Annotated[int, Query(ge=1, le=1000, description="Page size")]
Days = Annotated[int, Query(ge=1, le=365, description="Number of calendar days, today included")]
Zone = Annotated[TimeZone, Query(description="Time zone in which days begin", examples=["Europe/Berlin"])]


async def _range(
    days: Days = 30,
    start: Annotated[DayOrTime | None, Query(description="First day, or start time; replaces days")] = None,
    end: Annotated[DayOrTime | None, Query(description="Last day, or end time; defaults to today")] = None,
    tz: Zone = "UTC",
) -> CostRange:
    return CostRange(days, start, end, tz)


_SPAN = "a month (2026-10), a day, or a range of days or times joined by .., last day included"


async def _compared(
    days: Annotated[
        int, Query(ge=1, le=365, description="Length of the later period in whole days, which ends yesterday")
    ] = 30,
    before: Annotated[
        SpanText | None,
        Query(
            alias="from",
            examples=["2026-10-01..2026-10-31"],
            description="Earlier period, in the format of `to`; defaults to the period of the same length before",
        ),
    ] = None,
    after: Annotated[
        SpanText | None,
        Query(
            alias="to", examples=["2026-11-01..2026-11-30"], description=f"Later period; replaces days. Format: {_SPAN}"
        ),
    ] = None,
    tz: Zone = "UTC",
) -> TwoPeriods:
    return TwoPeriods(days, before, after, tz)


Compared = Annotated[TwoPeriods, Depends(_compared)]


async def _provider(
    call: Call,
    provider: Annotated[
        ProviderName | None, Query(description="Only calls of this provider, by any of its names")
    ] = None,
) -> str | None:
    return None if provider is None else call.engines.prices.provider_id(provider)


Provider = Annotated[str | None, Depends(_provider)]


async def _filtered(
    start: Annotated[Time | None, Query(description="Only calls at or after this time")] = None,
    end: Annotated[Time | None, Query(description="Only calls before this time")] = None,
    provider: Provider = None,
    model: Annotated[ModelName | None, Query(description="Only calls of this model")] = None,
    project: Annotated[Name | None, Query(description="Only calls of this project")] = None,
    status: Annotated[Status | None, Query(description="Only calls with this status")] = None,
    tag: Annotated[TagFilter | None, Query(description="key:value", examples=["team:search"])] = None,
    policy_violation: Annotated[
        Violation | None, Query(description="Only calls that violate this rule of the settings")
    ] = None,
) -> EventFilter:
    key, _, value = (tag or "").partition(":")
    tags = {key: value} if tag else None
    return EventFilter(start, end, provider, model, project, status, tags, policy_violation)


FilteredEvents = Annotated[EventFilter, Depends(_filtered)]


async def _wanted(wanted: FilteredEvents, limit: Limit = 50) -> EventFilter:
    return replace(wanted, limit=limit)


Range = Annotated[CostRange, Depends(_range)]


async def _measured(
    wanted: Range,
    project: Annotated[Name | None, Query(description="Only calls of this project, by name or id")] = None,
    provider: Provider = None,
    model: Annotated[ModelName | None, Query(description="Only calls of this model")] = None,
) -> MetricFilter:
    return MetricFilter(wanted, project, provider, model)


async def _series(
    by: Annotated[SplitBy | None, Query(description="Dimension to split the points and the total by")] = None,
    key: Annotated[Tag | None, Query(description="Tag key; only for a split by tag")] = None,
    project: Annotated[Name | None, Query(description="Only calls of this project, by name or id")] = None,
    provider: Provider = None,
    model: Annotated[ModelName | None, Query(description="Only calls of this model")] = None,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="Maximum number of parts, most expensive first; the rest is summed up")
    ] = 100,
) -> SeriesFilter:
    return SeriesFilter(by, key, project, provider, model, limit)


Series = Annotated[SeriesFilter, Depends(_series)]
Measured = Annotated[MetricFilter, Depends(_measured)]
Wanted = Annotated[EventFilter, Depends(_wanted)]
Cursor = Annotated[str | None, Query(max_length=512, description="next_cursor of the previous page")]
