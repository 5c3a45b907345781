"""Anomalies: where cost or errors were far from usual, each reported once, at the most specific place that explains it.

Places are each model in each project, each model, project and provider with more than one of those, and the workspace.
At each of them days and hours are judged by `baseline`: cost in both directions, errors only upwards. There are
24 times as many hours as days, so an hour must be as unlikely as a day divided by 24: with a threshold of 2 it is off
by 3.1. What is off by less than 1 % of the cost of the workspace's median day is not reported.

Neighbours in time are one anomaly. Of all that happen at the same time and share calls, the largest by dollars (or by
failed calls) is the one to explain; only the most specific one that makes up 80 % of it is reported.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.analysis.baseline import Array, Usual, stabilised, usual_errors, usual_hours
from engines.analysis.grid import HOURS, Counts, Grid, Leaf, Place
from schemas.anomalies import AnomalyKind

Measure = Literal["cost", "errors"]
# Share of an anomaly that another one must make up to explain it.
_EXPLAINS = 0.8
_HALF = 0.5
# Excess failure rate and number of failed calls from which failures are reported, and the failure rate of an outage.
_MORE_ERRORS, _FEWEST_ERRORS, _OUTAGE = 0.1, 5, 0.5
# Age of the workspace from which a first use is news, and the days for which it is new.
_SETTLED_DAYS, _NEW_DAYS = 14, 7
# Days from which a change of cost is a new level.
_LEVEL_DAYS = 3
# Maximum number of usual hours between two hours of one anomaly. Between two days there may be none.
_HOURS_BETWEEN = 2
_MOST_HOURLY, _MOST = 60, 200

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """An anomaly from one slot to before another. `excess`, `low` and `high` are in USD, or in failed calls.

    It lasts until `until`. A stop lasts until now, although after some weeks no calls are usual.
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
        """Whether the two have calls in common."""
        at_once = self.start < other.until and other.start < self.until
        return at_once and not self.place.leaves.isdisjoint(other.place.leaves)

    @property
    def vagueness(self) -> tuple[int, int]:
        """A sort key: the more specific, the smaller."""
        return len(self.place.leaves), self.end - self.start


def find(leaves: Sequence[Leaf], grid: Grid, threshold: float) -> list[Found]:
    """The anomalies from the grid's start on, largest z first; at most 200. The order of the leaves does not matter."""
    used = [leaf for leaf in leaves if len(leaf.slots)]
    if not used:
        return []
    counts = Counts(leaves, grid)
    found = [*_days(counts, threshold), *_hours(counts, threshold)]
    new = list(_new(counts, threshold))
    errors = _most_specific([one for one in found if one.measure == "errors"])
    rest = [one for one in found if one.measure == "cost" and not any(_of_errors(one, error) for error in errors)]
    rest = [one for one in rest if not any(_of_new(one, start) for start in new)]
    up, down = ([one for one in rest if (one.excess < 0) == below] for below in (False, True))
    reported = [*new, *errors, *_most_specific(up), *_most_specific(down)]
    return sorted(reported, key=lambda one: (-abs(one.z), one.start, one.place.about))[:_MOST]


def hourly_threshold(threshold: float) -> float:
    """The z of an hour that is 24 times less likely than a day of z `threshold`, both being normal."""
    normal = NormalDist()
    return -normal.inv_cdf(normal.cdf(-threshold) / HOURS)


def _days(counts: Counts, threshold: float) -> Iterator[Found]:
    """The anomalies of days. Today is unfinished, so a low cost of today is none."""
    grid = counts.grid
    first = grid.day(grid.start)
    known = np.arange(grid.days) >= first
    over = np.arange(grid.days) < grid.days - 1
    usual = counts.usual
    span = _Span(counts, np.arange(len(counts.places)), 0, HOURS, threshold, 0)
    yield from span.cost(usual, counts.costs, counts.calls, known, over)
    errors = usual_errors(counts.calls, counts.errors, 1)
    yield from span.failed(errors, counts.calls, counts.errors, counts.costs, usual, known)


def _hours(counts: Counts, threshold: float) -> Iterator[Found]:
    """The anomalies of hours at the 60 most expensive places, without days on which the clock jumps."""
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
    """Some places over time: columns from the slot `first` on, each `length` slots long."""

    counts: Counts
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
                    unpriced or abs(excess) < self.counts.minimum_excess or (excess < 0) != (flags is below)
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


def _new(counts: Counts, threshold: float) -> Iterator[Found]:
    """Projects and models used for the first time, 14 days or more after the workspace was.

    z is that of the calls on the busiest of their first 7 days, where none were usual. A new project's models are not
    reported again.
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
    reported: list[Found] = []
    for index in order:
        place, first = counts.places[index], int(counts.first[index])
        if not earliest <= first < grid.days:
            continue
        days = slice(first, first + _NEW_DAYS)
        z = float((stabilised(counts.calls[index, days]) - stabilised(np.zeros(1))).max())
        if z < threshold or any(first < one.end // HOURS and place.leaves <= one.place.leaves for one in reported):
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
        reported.append(found)
        yield found


def _most_specific(found: Iterable[Found]) -> list[Found]:
    """One of each set that touch one another: the most specific that makes up most of the largest."""
    left = sorted(found, key=lambda one: (-abs(one.excess), one.vagueness, one.start, one.place.about))
    reported = []
    while left:
        largest = left[0]
        able = [one for one in left if one.touches(largest) and abs(one.excess) >= _EXPLAINS * abs(largest.excess)]
        best = min(able, key=lambda one: one.vagueness)
        reported.append(best)
        left = [one for one in left if one is not largest and not one.touches(best)]
    return reported


def _of_errors(one: Found, error: Found) -> bool:
    """Whether cost is low because calls fail."""
    return one.excess <= 0 and one.touches(error)


def _of_new(one: Found, new: Found) -> bool:
    """Whether cost is high because of something new."""
    return one.excess >= 0 and one.touches(new) and new.excess >= _HALF * one.excess


def _runs(flags: Mask, between: int) -> Iterator[tuple[int, int, int]]:
    """Row, first and end of each run of flags, which may hold up to `between` unflagged columns in a row."""
    rows, columns = np.nonzero(flags)
    if not len(rows):
        return
    breaks = np.nonzero((np.diff(rows) != 0) | (np.diff(columns) > between + 1))[0] + 1
    for start, end in zip([0, *breaks], [*breaks, len(rows)], strict=True):
        yield int(rows[start]), int(columns[start]), int(columns[end - 1]) + 1


def _interval(expected: Array, low: Array, high: Array) -> tuple[float, float]:
    """The bounds of a sum of independent values: their distances from the expectation add up as squares."""
    total = float(expected.sum())
    known = ~np.isnan(low)
    below, above = (float(np.sqrt(((bound - expected)[known] ** 2).sum())) for bound in (low, high))
    return max(0.0, total - below), total + above
