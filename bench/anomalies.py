"""Anomaly detection on labelled synthetic series, compared with the plain z-score."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bench.plan import Bench
from bench.report import Figure, Goal, ratio
from engines.analysis.baseline import Array, usual_days

_DAYS = 90
# Both detectors see all days. Days from _JUDGED on are scored; anomalies start between _FIRST and _LAST.
_JUDGED, _FIRST, _LAST = 42, 49, 83
# Share of days with an alarm in clean series.
_FALSE_ALARMS = 0.0005
_POINTS = 0.02
_RAMP_DAYS = 10


@dataclass(frozen=True)
class Kind:
    """A kind of series: its patterns, and the length of its anomaly in days."""

    name: str
    weekday: bool
    growth: bool
    days: int


KINDS = (
    Kind("spike", weekday=False, growth=False, days=1),
    Kind("level shift", weekday=False, growth=False, days=3),
    Kind("ramp", weekday=False, growth=False, days=_RAMP_DAYS),
    Kind("weekday pattern", weekday=True, growth=False, days=1),
    Kind("outage", weekday=True, growth=False, days=1),
    Kind("growth", weekday=True, growth=True, days=1),
)


class Score(NamedTuple):
    """Precision, recall and F1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


class Labelled(NamedTuple):
    """Costs by series and day, without and with anomalies, and the first day of each anomaly."""

    clean: Array
    calls: Array
    starts: "np.ndarray[tuple[int, ...], np.dtype[np.int_]]"


def labelled(kind: Kind, series: int, random: np.random.Generator) -> Labelled:
    """Series without and with an anomaly.

    50 to 5,000 calls a day with Poisson noise and 5 to 15% of daily noise, and costs per call with a coefficient of
    variation of 0.66. Weekends have 10 to 50% of the calls; growth is 0.5 to 2% a day. A spike is 2 to 4 times the
    usual, a level shift and the end of a ramp 1.4 to 2.5 times, and an outage leaves 5 to 60%.
    """
    day = np.arange(_DAYS)
    mean = np.exp(random.uniform(math.log(50), math.log(5_000), (series, 1))) * np.ones(_DAYS)
    if kind.weekday:
        mean = mean * np.where(
            (day + random.integers(0, 7, (series, 1))) % 7 < 2, random.uniform(0.1, 0.5, (series, 1)), 1
        )
    if kind.growth:
        mean = mean * (1 + random.uniform(0.005, 0.02, (series, 1))) ** day
    starts = random.integers(_FIRST, _LAST, series)
    since = day - starts[:, None]
    factor = random.uniform(1.4, 2.5, (series, 1))
    if kind.name == "level shift":
        changed = np.where(since >= 0, factor, 1)
    elif kind.name == "ramp":
        changed = 1 + (factor - 1) * np.clip((since + 1) / _RAMP_DAYS, 0, 1)
    elif kind.name == "outage":
        changed = np.where(since == 0, random.uniform(0.05, 0.6, (series, 1)), 1)
    else:
        changed = np.where(since == 0, random.uniform(2, 4, (series, 1)), 1)
    noise = random.uniform(0.05, 0.15, (series, 1))
    return Labelled(_drawn(mean, noise, random), _drawn(mean * changed, noise, random), starts)


def _drawn(mean: Array, noise: Array, random: np.random.Generator) -> Array:
    calls = random.poisson(mean * np.exp(noise * random.standard_normal(mean.shape)))
    # The sum of the gamma-distributed costs of all calls, each with mean 1 and variance 0.43.
    cost: Array = random.gamma(np.maximum(calls, 1e-9) / 0.43, 0.43)
    return cost


def plain(calls: Array) -> Array:
    """The z-score from the mean and the sample standard deviation of all days."""
    z: Array = (calls - calls.mean(axis=1, keepdims=True)) / calls.std(axis=1, ddof=1, keepdims=True)
    return z


def robust(calls: Array) -> Array:
    """The z-score of the product."""
    return usual_days(calls).z


def score(kind: Kind, series: Labelled, clean: Array, z: Array) -> Score:
    """The score of a detector, with its threshold set for the allowed share of alarms in clean series.

    An anomaly is found if one of its days has an alarm. Alarms on its days are true, others are false. Days after a
    level shift or ramp are not scored.
    """
    threshold = float(np.quantile(np.abs(clean[:, _JUDGED:]), 1 - _FALSE_ALARMS))
    alarms = np.abs(z) >= threshold
    since = np.arange(_DAYS) - series.starts[:, None]
    inside = (since >= 0) & (since < kind.days)
    outside = (since < 0) & (since >= _JUDGED - series.starts[:, None])
    if kind.days == 1:
        outside |= since >= kind.days
    true, false = (alarms & inside).sum(), (alarms & outside).sum()
    return Score(float(true / max(true + false, 1)), float((alarms & inside).any(axis=1).mean()))


async def find(bench: Bench) -> None:
    """F1 per kind of series, compared with the plain z-score at the same rate of false alarms in clean series."""
    lines = []
    for number, kind in enumerate(KINDS):
        bench.step(f"finding each {kind.name}")
        ours, theirs = [], []
        for turn in bench.turns(f"anomalies: {kind.name}"):
            series = labelled(kind, bench.sizes.anomaly_series, np.random.default_rng([number, turn]))
            ours.append(score(kind, series, robust(series.clean), robust(series.calls)))
            theirs.append(score(kind, series, plain(series.clean), plain(series.calls)))
        f1 = [Figure.of([100 * one.f1 for one in scores]) for scores in (ours, theirs)]
        least = 1.0 if kind.weekday or kind.growth else 1 - 100 * _POINTS / f1[1].median
        bench.report.rows.append(
            ratio(f"Anomalies: {kind.name}, F1", f1[0], "%", "plain z-score", f1[1], Goal("at least", round(least, 4)))
        )
        for name, scores in (("robust", ours), ("plain z-score", theirs)):
            precision, recall = (Figure.of([100 * one[part] for one in scores]).median for part in (0, 1))
            lines.append(f"{kind.name}, {name}: precision {precision:.1f}%, recall {recall:.1f}%")
    bench.report.notes.append(
        f"Anomalies, at a rate of {_FALSE_ALARMS:.2%} false alarms in clean series of the same kind: "
        f"{'; '.join(lines)}."
    )
