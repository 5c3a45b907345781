"""Anomalies: where cost or errors were far from usual, told once each, at the most specific place that explains it.

Places are each model in each project, each model, project and provider with more than one of those, and the workspace.
At each of them days and hours are judged by `engines.baseline`: cost in both directions, errors only upwards. There are
24 times as many hours as days, so an hour must be as unlikely as a day divided by 24: with a threshold of 2 it is off
by 3.1. What lies less than 1 % of the workspace's median day off in dollars is not told.

Neighbours in time are one anomaly. Of all that happen at the same time and share calls, the largest by dollars (or by
failed calls) is what is to be explained; told is the most specific one that makes up 80 % of it, and no other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import NormalDist
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engines.baseline import Array, Usual, median, stabilised, usual_days, usual_errors, usual_hours
from schemas.anomalies import AnomalyKind, AnomalyScope
from schemas.usage_history import UsageSeries

HOURS = 24
WEEK = 7 * HOURS
Measure = Literal["cost", "errors"]
# An anomaly told elsewhere that makes up so much of this one explains it.
_EXPLAINS = 0.8
_HALF = 0.5
# Of what the workspace costs on its median day.
_WORTH_TELLING = 0.01
# A failure rate so far above the usual one, in so many calls, and what is called an outage.
_MORE_ERRORS, _FEWEST_ERRORS, _OUTAGE = 0.1, 5, 0.5
# What starts so long after the workspace did is new, for so many days.
_SETTLED_DAYS, _NEW_DAYS = 14, 7
# A change of cost that lasts so many days is a new level.
_LEVEL_DAYS = 3
# So many hours in between may be usual in one anomaly, and no day.
_HOURS_BETWEEN = 2
_MOST_HOURLY, _MOST = 60, 200

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """The days that are known by the clock of a time zone, from `first` to the one that holds `at`, which is not over.

    Hours are known from `hours_from` on, and what is found begins on `start` or later. A slot counts hours of the clock
    since the first midnight.
    """

    first: date
    hours_from: date
    start: date
    at: datetime
    tz: str

    @cached_property
    def now(self) -> int:
        """The slot that is not over."""
        local = self.at.astimezone(ZoneInfo(self.tz))
        return self.day(local.date()) * HOURS + local.hour

    @property
    def days(self) -> int:
        """How many days there are, today included."""
        return self.now // HOURS + 1

    @cached_property
    def midnights(self) -> Array:
        """When the days begin, in minutes after the first."""
        start = self.moment(0)
        return np.array([(self.moment(day * HOURS) - start) / timedelta(minutes=1) for day in range(self.days)])

    def slots(self, minutes: Array) -> NDArray[np.int_]:
        """The slots that hold such minutes; where the clock jumps, the rest of the day is an hour off."""
        days = np.searchsorted(self.midnights, minutes, side="right") - 1
        hours = (minutes - self.midnights[days]) // 60
        return (days * HOURS + np.minimum(hours, HOURS - 1)).astype(int)

    def day(self, day: date) -> int:
        """The number of a day."""
        return (day - self.first).days

    def date(self, slot: int) -> date:
        """The day that holds a slot."""
        return self.first + timedelta(days=slot // HOURS)

    def moment(self, slot: int) -> datetime:
        """When a slot begins, in UTC."""
        return datetime.combine(self.date(slot), time(slot % HOURS), ZoneInfo(self.tz)).astimezone(UTC)

    def hours(self, day: int) -> int:
        """How many hours a day has."""
        return round((self.moment((day + 1) * HOURS) - self.moment(day * HOURS)) / timedelta(hours=1))


class Leaf:
    """One model in one project; None for all names of the rest, and for no project."""

    def __init__(self, series: UsageSeries, grid: Grid) -> None:
        self.project, self.provider, self.model = series.project or None, series.provider, series.model
        self.slots = grid.slots(_numbers(series.minutes))
        self._series = series
        self._columns: dict[str, Array] = {}
        self._texts: dict[str, list[str]] = {}

    @property
    def name(self) -> tuple[str, str, str]:
        """Its place in any order."""
        return self.project or "", self.provider or "", self.model or ""

    def column(self, name: str) -> Array:
        """The numbers of a column, one for each of the slots."""
        if name not in self._columns:
            self._columns[name] = _numbers(getattr(self._series, name))
        return self._columns[name]

    def total(self, name: str, start: int, end: int) -> Decimal:
        """The exact sum of a column from one slot to before another."""
        low, high = np.searchsorted(self.slots, (start, end))
        if low == high:
            return Decimal(0)
        if name not in self._texts:
            self._texts[name] = getattr(self._series, name).split(",")
        return sum(map(Decimal, self._texts[name][low:high]), Decimal(0))


class Place(NamedTuple):
    """What an anomaly is about: some leaves by what they have in common."""

    scope: AnomalyScope
    project: str | None
    provider: str | None
    model: str | None
    leaves: frozenset[int]

    @property
    def about(self) -> str:
        """It in words."""
        model = f"{self.provider}/{self.model}" if self.model else self.provider
        return ": ".join(part for part in (self.project, model) if part) or "the whole workspace"


@dataclass(frozen=True)
class Found:
    """An anomaly from one slot to before another. `excess`, `low` and `high` are in USD, or in failed calls.

    It lasts until `until`: a stop until now, though after some weeks nothing is what is usual.
    """

    place: Place
    measure: Measure
    kind: AnomalyKind
    start: int
    end: int
    until: int
    hourly: bool
    z: float
    excess: float
    low: float
    high: float
    expected_cost: float
    expected_errors: float

    def touches(self, other: "Found") -> bool:
        """Whether both have calls in common."""
        at_once = self.start < other.until and other.start < self.until
        return at_once and not self.place.leaves.isdisjoint(other.place.leaves)

    @property
    def vagueness(self) -> tuple[int, int]:
        """The less the more it says."""
        return len(self.place.leaves), self.end - self.start


def find(leaves: Sequence[Leaf], grid: Grid, threshold: float) -> list[Found]:
    """The anomalies from the grid's start on, largest z first; at most 200. The order of the leaves does not matter."""
    used = [leaf for leaf in leaves if len(leaf.slots)]
    if not used:
        return []
    counts = _Counts(leaves, grid)
    found = [*_days(counts, threshold), *_hours(counts, threshold)]
    new = list(_new(counts, threshold))
    errors = _told([one for one in found if one.measure == "errors"])
    rest = [one for one in found if one.measure == "cost" and not any(_of_errors(one, error) for error in errors)]
    rest = [one for one in rest if not any(_of_new(one, start) for start in new)]
    up, down = ([one for one in rest if (one.excess < 0) == below] for below in (False, True))
    told = [*new, *errors, *_told(up), *_told(down)]
    return sorted(told, key=lambda one: (-abs(one.z), one.start, one.place.about))[:_MOST]


def hourly_threshold(threshold: float) -> float:
    """How far off an hour must be to be 24 times less likely than a day that is `threshold` off, both being normal."""
    normal = NormalDist()
    return -normal.inv_cdf(normal.cdf(-threshold) / HOURS)


class _Counts:
    """Calls, errors and costs of every place: costs[place, day], or by hours [place, day, hour] from a day on.

    `volumes` are the costs in calls, USD divided by the median over the days of what a call cost; where nothing has a
    price, the calls. They are NaN before a place was first used.
    """

    def __init__(self, leaves: Sequence[Leaf], grid: Grid) -> None:
        self.leaves, self.grid = leaves, grid
        self.places = _places(leaves)
        self.members = np.array(
            [[index in place.leaves for index in range(len(leaves))] for place in self.places], dtype=float
        )
        self.calls, self.errors, self.costs = (self._by_day(name) for name in ("calls", "errors", "costs"))
        active = self.calls > 0
        self.first = np.where(active.any(axis=1), active.argmax(axis=1), grid.days)
        self.unit = self._units()
        self.volumes = self._in_calls(self.costs, self.calls)
        self.volumes[np.arange(grid.days) < self.first[:, None]] = np.nan
        everything = self.costs[-1] if self.places[-1].scope == "workspace" else self.costs.sum(axis=0)
        self.worth_telling = _WORTH_TELLING * float(np.median(everything[everything > 0])) if everything.any() else 0.0
        self.usual = usual_days(self.volumes)

    def _units(self) -> Array:
        """What a call costs in USD: of a leaf the median over its days, of a group the mean by what its leaves cost.

        n calls at u each have the variance NOISE n u^2 (see `engines.baseline`); those of the leaves of a group add up
        to that of n calls at U each when U = sum(n u^2) / sum(n u).
        """
        days = self.grid.days
        costs, calls, unpriced = (
            np.stack([_binned(leaf.column(name), leaf.slots // HOURS, days) for leaf in self.leaves])
            for name in ("costs", "calls", "unpriced_calls")
        )
        priced = (calls > unpriced) & (costs > 0)
        units = np.nan_to_num(
            median(np.divide(costs, calls - unpriced, out=np.full(costs.shape, np.nan), where=priced))
        )
        totals = costs.sum(axis=1)
        paid = self.members @ totals
        mean: Array = np.divide(self.members @ (totals * units), paid, out=np.zeros_like(paid), where=paid > 0)
        return mean

    def hours(self, name: str, places: NDArray[np.intp]) -> Array:
        """A column by hours."""
        first = self.grid.day(self.grid.hours_from) * HOURS
        size = self.grid.days * HOURS - first
        by_leaf = np.stack([_binned(leaf.column(name), leaf.slots - first, size) for leaf in self.leaves])
        return (self.members[places] @ by_leaf).reshape(len(places), -1, HOURS)

    def hourly_volumes(self, costs: Array, calls: Array, places: NDArray[np.intp]) -> Array:
        """Volumes by hours."""
        volumes = self._in_calls(costs, calls, self.unit[places, None, None])
        days = np.arange(self.grid.day(self.grid.hours_from), self.grid.days)
        volumes[days < self.first[places, None]] = np.nan
        return volumes

    def _by_day(self, name: str) -> Array:
        days = self.grid.days
        by_leaf = np.stack([_binned(leaf.column(name), leaf.slots // HOURS, days) for leaf in self.leaves])
        return self.members @ by_leaf

    def _in_calls(self, costs: Array, calls: Array, unit: Array | None = None) -> Array:
        unit = self.unit[:, None] if unit is None else unit
        return np.where(unit > 0, costs / np.where(unit > 0, unit, 1), calls)


def _places(leaves: Sequence[Leaf]) -> list[Place]:
    """Every leaf, and every group of them that is no other's; the workspace is last."""
    groups: dict[frozenset[int], Place] = {}

    def add(scope: AnomalyScope, project: str | None, provider: str | None, model: str | None) -> None:
        members = frozenset(
            index
            for index, leaf in enumerate(leaves)
            if all(
                wanted is None or wanted == of
                for wanted, of in ((project, leaf.project), (provider, leaf.provider), (model, leaf.model))
            )
        )
        groups.setdefault(members, Place(scope, project, provider, model, members))

    for index, leaf in enumerate(leaves):
        if leaf.model is not None:
            only = frozenset((index,))
            groups[only] = Place("model", leaf.project, leaf.provider, leaf.model, only)
    named = [leaf for leaf in leaves if leaf.model is not None]
    for provider, model in sorted({(str(leaf.provider), str(leaf.model)) for leaf in named}):
        add("model", None, provider, model)
    for project in sorted({leaf.project for leaf in named if leaf.project}):
        add("project", project, None, None)
    for name in sorted({str(leaf.provider) for leaf in named}):
        add("provider", None, name, None)
    add("workspace", None, None, None)
    return list(groups.values())


def _days(counts: _Counts, threshold: float) -> Iterator[Found]:
    """What the days show. Today is not over: that it has cost little is nothing."""
    grid = counts.grid
    first = grid.day(grid.start)
    known = np.arange(grid.days) >= first
    over = np.arange(grid.days) < grid.days - 1
    usual = counts.usual
    span = _Span(counts, np.arange(len(counts.places)), 0, HOURS, threshold, 0)
    yield from span.cost(usual, counts.costs, counts.calls, known, over)
    errors = usual_errors(counts.calls, counts.errors, 1)
    yield from span.failed(errors, counts.calls, counts.errors, counts.costs, usual, known)


def _hours(counts: _Counts, threshold: float) -> Iterator[Found]:
    """What the hours show, at the 60 places that cost most; a day on which the clock jumps is not looked at."""
    grid = counts.grid
    first = grid.day(grid.hours_from)
    places = np.sort(np.argsort(-counts.costs.sum(axis=1), kind="stable")[:_MOST_HOURLY])
    calls, errors, costs = (counts.hours(name, places) for name in ("calls", "errors", "costs"))
    expected_days = counts.usual.expected[places, first:]
    usual = usual_hours(counts.hourly_volumes(costs, calls, places), expected_days)
    flat = Usual(usual.z.reshape(len(places), -1), usual.expected.reshape(len(places), -1), usual.spread)
    calls, errors, costs = (values.reshape(len(places), -1) for values in (calls, errors, costs))
    slots = np.arange(calls.shape[1]) + first * HOURS
    plain = np.repeat([grid.hours(day) == HOURS for day in range(first, grid.days)], HOURS)
    known = (slots >= grid.day(grid.start) * HOURS) & (slots <= grid.now) & plain
    span = _Span(counts, places, first * HOURS, 1, hourly_threshold(threshold), _HOURS_BETWEEN)
    yield from span.cost(flat, costs, calls, known, slots < grid.now)
    yield from span.failed(usual_errors(calls, errors, HOURS), calls, errors, costs, flat, known)


@dataclass(frozen=True)
class _Span:
    """How columns of some places lie in time: from a slot on, each so many slots long."""

    counts: _Counts
    places: NDArray[np.intp]
    first: int
    length: int
    threshold: float
    between: int

    def cost(self, usual: Usual, costs: Array, calls: Array, known: Mask, over: Mask) -> Iterator[Found]:
        """Runs of cost that is too high, and of cost that is too low."""
        unit = self.counts.unit[self.places, None]
        expected = np.nan_to_num(usual.expected * unit)
        low, high = (bound * unit for bound in usual.bounds(self.threshold))
        with np.errstate(invalid="ignore"):
            above, below = (usual.z >= self.threshold) & known, (usual.z <= -self.threshold) & known & over
        used_until = np.where(calls > 0, np.arange(calls.shape[1]), -1).max(axis=1, initial=-1)
        for flags in (above, below):
            for row, start, end in _runs(flags, self.between):
                at = slice(start, end)
                excess = float((costs[row, at] - expected[row, at])[~np.isnan(usual.expected[row, at])].sum())
                stopped = flags is below and used_until[row] < start
                unpriced = not unit[row]
                if not stopped and (
                    unpriced or abs(excess) < self.counts.worth_telling or (excess < 0) != (flags is below)
                ):
                    continue
                kind: AnomalyKind = "drop" if flags is below else "spike"
                if stopped:
                    kind = "stop"
                elif self.length == HOURS and end - start >= _LEVEL_DAYS:
                    kind = "level_shift"
                z = usual.z[row, at]
                yield self._found(
                    row, start, end, "cost", kind, float(z[np.nanargmax(np.abs(z))]), excess,
                    _interval(expected[row, at], low[row, at], high[row, at]),
                    float(expected[row, at].sum()), 0.0,
                )  # fmt: skip

    def failed(
        self, usual: Usual, calls: Array, errors: Array, costs: Array, usual_cost: Usual, known: Mask
    ) -> Iterator[Found]:
        """Runs of failures."""
        spread = usual.spread[:, None]
        expected = np.nan_to_num(usual.expected)
        rate = np.divide(expected, calls, out=np.zeros_like(calls), where=calls > 0)
        # The bounds of the rate on the scale on which its scatter is the same everywhere.
        reach = self.threshold * spread / (2 * np.sqrt(calls + 0.5))
        angle = np.arcsin(np.sqrt(rate))
        low, high = (calls * np.sin(np.clip(angle + side * reach, 0, np.pi / 2)) ** 2 for side in (-1, 1))
        with np.errstate(invalid="ignore"):
            flags = (usual.z >= self.threshold) & known & (errors >= _FEWEST_ERRORS)
        flags &= errors >= expected + _MORE_ERRORS * calls
        expected_cost = np.nan_to_num(usual_cost.expected * self.counts.unit[self.places, None])
        for row, start, end in _runs(flags, self.between):
            at = slice(start, end)
            failed, made = errors[row, at].sum(), calls[row, at].sum()
            yield self._found(
                row, start, end, "errors", "outage" if failed >= _OUTAGE * made else "errors",
                float(np.nanmax(usual.z[row, at])), float(failed - expected[row, at].sum()),
                _interval(expected[row, at], low[row, at], high[row, at]),
                float(expected_cost[row, at].sum()), float(expected[row, at].sum()),
            )  # fmt: skip

    def _found(
        self, row: int, start: int, end: int, measure: Measure, kind: AnomalyKind, z: float, excess: float,
        interval: tuple[float, float], expected_cost: float, expected_errors: float,
    ) -> Found:  # fmt: skip
        now = self.counts.grid.now + 1
        ended = min(self.first + end * self.length, now)
        return Found(
            place=self.counts.places[self.places[row]],
            measure=measure,
            kind=kind,
            start=self.first + start * self.length,
            end=ended,
            until=now if kind == "stop" else ended,
            hourly=self.length == 1,
            z=z,
            excess=excess,
            low=interval[0],
            high=interval[1],
            expected_cost=expected_cost,
            expected_errors=expected_errors,
        )


def _new(counts: _Counts, threshold: float) -> Iterator[Found]:
    """Projects and models used for the first time, 14 days or more after the workspace was; its z is of the calls.

    It is that of the busiest of their first 7 days, where none were usual. A new project's models are not told again.
    """
    grid = counts.grid
    earliest = max(grid.day(grid.start), int(counts.first.min()) + _SETTLED_DAYS)
    # Of projects, models and models in a project.
    order = sorted(
        (index for index, place in enumerate(counts.places) if place.scope in ("project", "model")),
        key=lambda index: (counts.places[index].scope == "model", -len(counts.places[index].leaves)),
    )
    project_first: dict[str, int] = {}
    for leaf in counts.leaves:
        if leaf.project and len(leaf.slots):
            project_first[leaf.project] = min(project_first.get(leaf.project, grid.days), int(leaf.slots[0]) // HOURS)
    told: list[Found] = []
    for index in order:
        place, first = counts.places[index], int(counts.first[index])
        if not earliest <= first < grid.days:
            continue
        days = slice(first, first + _NEW_DAYS)
        z = float((stabilised(counts.calls[index, days]) - stabilised(np.zeros(1))).max())
        if z < threshold or any(first < one.end // HOURS and place.leaves <= one.place.leaves for one in told):
            continue
        new_project = place.project is not None and project_first[place.project] == first
        end = min((first + _NEW_DAYS) * HOURS, grid.now + 1)
        found = Found(
            place=place,
            measure="cost",
            kind="new_project" if new_project else "new_model",
            start=first * HOURS,
            end=end,
            until=end,
            hourly=False,
            z=z,
            excess=float(counts.costs[index, days].sum()),
            low=0.0,
            high=0.0,
            expected_cost=0.0,
            expected_errors=0.0,
        )
        told.append(found)
        yield found


def _told(found: Iterable[Found]) -> list[Found]:
    """Of those that touch only one: the most specific that makes up most of the largest."""
    left = sorted(found, key=lambda one: (-abs(one.excess), one.vagueness, one.start, one.place.about))
    told = []
    while left:
        largest = left[0]
        able = [one for one in left if one.touches(largest) and abs(one.excess) >= _EXPLAINS * abs(largest.excess)]
        best = min(able, key=lambda one: one.vagueness)
        told.append(best)
        left = [one for one in left if one is not largest and not one.touches(best)]
    return told


def _of_errors(one: Found, error: Found) -> bool:
    """Whether cost is low because calls fail."""
    return one.excess <= 0 and one.touches(error)


def _of_new(one: Found, new: Found) -> bool:
    """Whether cost is high because of something new."""
    return one.excess >= 0 and one.touches(new) and new.excess >= _HALF * one.excess


def _runs(flags: Mask, between: int) -> Iterator[tuple[int, int, int]]:
    """Row, first and after the last of what is flagged in a row, with at most so many in between that are not."""
    rows, columns = np.nonzero(flags)
    if not len(rows):
        return
    breaks = np.nonzero((np.diff(rows) != 0) | (np.diff(columns) > between + 1))[0] + 1
    for start, end in zip([0, *breaks], [*breaks, len(rows)], strict=True):
        yield int(rows[start]), int(columns[start]), int(columns[end - 1]) + 1


def _interval(expected: Array, low: Array, high: Array) -> tuple[float, float]:
    """The bounds of a sum of independent values: their distances from what is expected add up as squares."""
    total = float(expected.sum())
    known = ~np.isnan(low)
    below, above = (float(np.sqrt(((bound - expected)[known] ** 2).sum())) for bound in (low, high))
    return max(0.0, total - below), total + above


def _binned(values: Array, places: NDArray[np.int_], size: int) -> Array:
    inside = (places >= 0) & (places < size)
    return np.bincount(places[inside], weights=values[inside], minlength=size).astype(float)


def _numbers(text: str) -> Array:
    return np.fromstring(text, sep=",") if text else np.zeros(0)
