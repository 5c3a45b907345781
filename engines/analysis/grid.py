"""The days, hours and places that anomalies are looked for in, and what was used at each.

A place is a model in a project (a leaf), or a group of leaves: a model, a project, a provider or the workspace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engines.analysis.baseline import Array, median, usual_days
from schemas.anomalies import AnomalyScope
from schemas.usage_history import UsageSeries

HOURS = 24
# Share of the cost of the workspace's median day. An anomaly below it is not reported.
_MINIMUM_SHARE = 0.01


@dataclass(frozen=True)
class Grid:
    """The days of a time zone with known usage, from `first` to the unfinished one that holds `at`.

    Hours are known from `hours_from` on, and anomalies begin on `start` or later. A slot counts hours of the clock
    since the first midnight.
    """

    first: date
    hours_from: date
    start: date
    at: datetime
    tz: str

    @cached_property
    def now(self) -> int:
        """The unfinished slot."""
        local = self.at.astimezone(ZoneInfo(self.tz))
        return self.day(local.date()) * HOURS + local.hour

    @property
    def days(self) -> int:
        """The number of days, today included."""
        return self.now // HOURS + 1

    @cached_property
    def midnights(self) -> Array:
        """The starts of the days, in minutes after the first."""
        start = self.moment(0)
        return np.array([(self.moment(day * HOURS) - start) / timedelta(minutes=1) for day in range(self.days)])

    def slots(self, minutes: Array) -> NDArray[np.int_]:
        """The slots of minutes after the first midnight; where the clock jumps, the rest of the day is an hour off."""
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
        """The start of a slot, in UTC."""
        return datetime.combine(self.date(slot), time(slot % HOURS), ZoneInfo(self.tz)).astimezone(UTC)

    def hours(self, day: int) -> int:
        """The number of hours in a day."""
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
        """The key that leaves are sorted by."""
        return self.project or "", self.provider or "", self.model or ""

    def column(self, name: str) -> Array:
        """The numbers of a column, one per slot."""
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
    """The subject of an anomaly: the leaves that share a project, provider or model."""

    scope: AnomalyScope
    project: str | None
    provider: str | None
    model: str | None
    leaves: frozenset[int]

    @property
    def about(self) -> str:
        """Its name in a sentence."""
        model = f"{self.provider}/{self.model}" if self.model else self.provider
        return ": ".join(part for part in (self.project, model) if part) or "the whole workspace"


class Counts:
    """Calls, errors and costs of every place: costs[place, day], or by hours [place, day, hour] from a day on.

    `volumes` are the costs in calls: USD divided by the median over the days of the cost per call; where nothing has a
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
        self.minimum_excess = _MINIMUM_SHARE * float(np.median(everything[everything > 0])) if everything.any() else 0.0
        self.usual = usual_days(self.volumes)

    def _units(self) -> Array:
        """USD per call: of a leaf the median over its days, of a group the mean weighted by the cost of its leaves.

        n calls at u each have the variance NOISE n u^2 (see `baseline`); those of the leaves of a group add up
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
    """Every leaf, and every group of leaves, each set of leaves once; the workspace is last."""
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


def _binned(values: Array, places: NDArray[np.int_], size: int) -> Array:
    inside = (places >= 0) & (places < size)
    return np.bincount(places[inside], weights=values[inside], minlength=size).astype(float)


def _numbers(text: str) -> Array:
    return np.fromstring(text, sep=",") if text else np.zeros(0)
