"""Forecasts of daily costs by the model that would have done best so far, with intervals.

The candidates are exponential smoothing with a weekly season, in the error-correction form of Hyndman and others
("Forecasting with Exponential Smoothing", 2008), on a scale z of the daily cost y; s is the season of the weekday:

    e = z - (l + phi b + s);  l <- l + phi b + a e;  b <- phi b + a b' e;  s <- s + g e

- `seasonal_naive`: the cost of the same weekday a week before (l = 0, a = 0, g = 1);
- `level`: no trend, ETS(A,N,A);
- `holt_winters`: a trend that goes on, phi = 1, ETS(A,A,A);
- `damped_trend`: a trend that fades, phi < 1, ETS(A,Ad,A).

The scales are sqrt(y) and log(y + c), where c is 5 % of the mean. An error of more than three usual ones moves a model
no further than three. Every set of parameters of a grid runs over the days once.

The backtest forecasts 28 days from the evening of each day, at most of the last 98, with the parameters whose squared
one-day errors up to that evening are smallest; so it uses none of the days it is measured on. The candidate with
the smallest mean absolute error is used.

Intervals are quantiles of simulated paths: one-day errors of the backtest, drawn at random, go through the model, so
errors of one path belong together and a total has an interval of its own. The spread of the paths is corrected by the
errors of the backtest (`_widening`). A cost below 0 is 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Two weeks to begin with, and two to test on.
FEWEST_DAYS = 28
_WEEK = 7
_WARM_UP = 14
_TESTED_DAYS = 28
# Most evenings to test from, the last ones.
_MOST_TESTED = 98
_PATHS = 1_000
_SEED = 20_261_121
# Bound of an error that moves the model, in usual errors.
_CLIP = 3.0
_LEAST_WIDENING, _MOST_WIDENING = 0.9, 2.5
_MODELS = ("seasonal_naive", "level", "holt_winters", "damped_trend")
# Series that run at once, which bounds the memory.
_AT_ONCE = 16

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Simulation(NamedTuple):
    """Simulated futures: `paths` holds a row for each, a column for each day.

    `tested` holds for each model its mean absolute error, and that over the one of `seasonal_naive` a week ahead.
    """

    model: str
    tested: list[tuple[str, float, float | None]]
    paths: Floats


def _grid() -> Floats:
    """The sets of parameters, in columns: the model's place in `_MODELS`, a, b', g and phi."""
    sets: list[tuple[float, ...]] = [(0, 0.0, 0.0, 1.0, 1.0)]
    sets += [(1, a, 0.0, g, 1.0) for a in (0.03, 0.1, 0.2, 0.4, 0.7) for g in (0.02, 0.1, 0.3)]
    slopes = [(a, b, g) for a in (0.05, 0.15, 0.4) for b in (0.02, 0.1) for g in (0.02, 0.15)]
    sets += [(2, *slope, 1.0) for slope in slopes]
    sets += [(3, *slope, phi) for slope in slopes for phi in (0.9, 0.97)]
    return np.array(sets).T


_KIND, _ALPHA, _BETA, _GAMMA, _PHI = _grid()


def simulate(histories: Sequence[Sequence[float] | Floats], horizons: Sequence[int]) -> list[Simulation]:
    """The futures of several series of daily costs (oldest first, at least `FEWEST_DAYS` each), `horizons` days ahead.

    A series has the same futures regardless of the others.
    """
    found: dict[int, Simulation] = {}
    by_length: dict[int, list[int]] = {}
    for place, history in enumerate(histories):
        by_length.setdefault(len(history), []).append(place)
    for places in by_length.values():
        for first in range(0, len(places), _AT_ONCE):
            together = places[first : first + _AT_ONCE]
            scaled = [_Scaled(np.asarray(histories[place], dtype=float)) for place in together]
            states = _run(np.stack([series.z for series in scaled]))
            for index, place in enumerate(together):
                found[place] = _simulate(scaled[index], [state[:, index] for state in states], horizons[place])
    return [found[place] for place in range(len(histories))]


class _Scaled:
    """A series of daily costs on both scales."""

    def __init__(self, costs: Floats) -> None:
        self.costs = costs
        self._offset = max(0.05 * float(costs.mean()), 1e-9)
        self.z = np.stack([np.sqrt(costs), np.log(costs + self._offset)])

    def back(self, z: Floats, scale: int) -> Floats:
        """Costs of values on a scale."""
        costs = z * np.abs(z) if scale == 0 else np.exp(np.minimum(z, 50.0)) - self._offset
        return np.maximum(costs, 0.0)


class _Candidate(NamedTuple):
    """A model on a scale, the parameters it used on the evening of each tested day, and its errors from there."""

    mae: float
    scale: int
    kind: int
    lanes: Indices
    off: Floats


def _simulate(series: _Scaled, states: Sequence[Floats], horizon: int) -> Simulation:
    level, trend, season, errors = states
    costs = series.costs
    days = len(costs)
    # By set of parameters, the squared one-day errors up to the evening of each day.
    spent = np.cumsum(np.where(np.arange(days)[:, None, None] >= _WEEK, errors**2, 0.0), axis=0)
    origins = np.arange(max(_WARM_UP, days - _MOST_TESTED) - 1, days)
    ahead = np.arange(1, _TESTED_DAYS + 1)
    at = origins[:, None] + ahead
    known = at < days
    at = np.minimum(at, days - 1)
    candidates = []
    for scale in range(2):
        for kind in range(len(_MODELS)):
            if kind == 0 and scale:
                # The same costs of a week before.
                continue
            own = np.flatnonzero(kind == _KIND)
            lanes = own[np.argmin(spent[origins][:, scale, own], axis=1)]
            z = _ahead(level, trend, season, scale, lanes, origins, ahead)
            mae = float(np.abs(series.back(z, scale) - costs[at])[known].mean())
            candidates.append(_Candidate(mae, scale, kind, lanes, series.z[scale][at] - z))
    naive = float(np.abs(costs[_WEEK:] - costs[:-_WEEK]).mean())
    tested = []
    for kind, name in enumerate(_MODELS):
        mae = min(candidate.mae for candidate in candidates if candidate.kind == kind)
        tested.append((name, mae, mae / naive if naive else None))
    best = min(candidates, key=lambda candidate: candidate[:3])
    centre = _ahead(level, trend, season, best.scale, best.lanes[-1:], origins[-1:], np.arange(1, horizon + 1))
    spread = _spread(best.off, known, int(best.lanes[-1]), horizon)
    return Simulation(_MODELS[best.kind], tested, series.back(centre + spread, best.scale))


def _run(z: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Every set of parameters over the days of each series and scale.

    Returns level, trend, season of the weekday, and error, each by day, series, scale and set.
    """
    count, scales, days = z.shape
    level, trend, season, errors = (np.zeros((days, count, scales, len(_KIND))) for _ in range(4))
    naive = _KIND == 0
    first = z[..., :_WARM_UP]
    start = first.mean(axis=-1)[..., None]
    # A trend within these weeks is not part of the season.
    rise = (first[..., _WEEK:].mean(axis=-1) - first[..., :_WEEK].mean(axis=-1))[..., None] / _WEEK
    weekly = (first[..., :_WEEK] + first[..., _WEEK:]) / 2 - start - rise * (np.arange(_WEEK) - 3)
    now = np.where(naive, 0.0, np.where(_BETA > 0, start - rise * (_WARM_UP + 1) / 2, start))
    slope = np.where(_BETA > 0, rise, 0.0)
    # By weekday first.
    seasons = np.moveaxis(np.where(naive, first[..., :_WEEK, None], weekly[..., None]), 2, 0).copy()
    usual = np.maximum(first.std(axis=-1), 1e-9)[..., None] * np.ones(len(_KIND))
    for day in range(days):
        weekday = day % _WEEK
        slope = _PHI * slope
        now = now + slope
        error = z[..., day, None] - now - seasons[weekday]
        errors[day] = error
        bound = _CLIP * usual
        moved = np.where(naive, error, np.clip(error, -bound, bound))
        usual = 0.9 * usual + 0.125 * np.abs(moved)
        now = now + _ALPHA * moved
        slope = slope + _ALPHA * _BETA * moved
        seasons[weekday] += _GAMMA * moved
        level[day], trend[day], season[day] = now, slope, seasons[weekday]
    return level, trend, season, errors


def _ahead(
    level: Floats,
    trend: Floats,
    season: Floats,
    scale: int,
    lanes: Indices,
    origins: Indices,
    ahead: Indices,
) -> Floats:
    """Forecasts from each origin with its set of parameters, on the scale."""
    phi = _PHI[lanes][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(phi == 1.0, ahead, phi * (1 - phi**ahead) / (1 - phi))
    last = origins[:, None] + ahead - _WEEK * -(-ahead // _WEEK)
    seasonal = season[last, scale, lanes[:, None]]
    forecasts: Floats = (
        level[origins, scale, lanes][:, None] + slopes * trend[origins, scale, lanes][:, None] + seasonal
    )
    return forecasts


def _spread(off: Floats, known: NDArray[np.bool_], lane: int, horizon: int) -> Floats:
    """Simulated errors on the scale, by path and day ahead: unexpected errors carried on by the model."""
    alpha, beta, gamma, phi = _ALPHA[lane], _BETA[lane], _GAMMA[lane], _PHI[lane]
    pool = off[known[:, 0], 0]
    drawn = pool[(np.random.default_rng(_SEED).random((horizon, _PATHS)) * len(pool)).astype(np.int64)]
    # Not as a product of matrices: the threads of a BLAS wait by keeping the processors busy.
    level, slope, seasons = np.zeros(_PATHS), np.zeros(_PATHS), np.zeros((_WEEK, _PATHS))
    by_day = np.empty((horizon, _PATHS))
    for day, errors in enumerate(drawn):
        slope *= phi
        level += slope
        np.add(level, seasons[day % _WEEK], out=by_day[day])
        by_day[day] += errors
        level += alpha * errors
        slope += alpha * beta * errors
        seasons[day % _WEEK] += gamma * errors
    paths = by_day.T
    return paths * _widening(off, known, paths)


def _widening(off: Floats, known: NDArray[np.bool_], paths: Floats) -> Floats:
    """The ratio of the backtest's errors to the spread of the paths, by day ahead.

    It is the mean of the ratios of the 80 % and 95 % quantiles of the absolute errors, smoothed over a week, at least
    0.9 and at most 2.5. The factor sqrt(1 + 14 / n) is for what the errors of n past evenings leave unknown.
    """
    horizon = paths.shape[1]
    tested = min(_TESTED_DAYS, horizon)
    counts = known[:, :tested].sum(axis=0)
    tested = int((counts >= _WEEK).sum())
    missed = np.sort(np.where(known, np.abs(off), np.inf)[:, :tested], axis=0)
    spread = np.sort(np.abs(paths[:, :tested]), axis=0)
    ratios = np.zeros(tested)
    for share in (0.8, 0.95):
        quantile = missed[np.ceil(share * counts[:tested]).astype(np.int64) - 1, np.arange(tested)]
        ratios += quantile / np.maximum(spread[int(share * len(spread)) - 1], 1e-12) / 2
    ratios = np.clip(ratios, _LEAST_WIDENING, _MOST_WIDENING)
    smooth = np.array([ratios[max(0, step - 3) : step + 4].mean() for step in range(tested)])
    smooth = np.append(smooth, np.full(horizon - tested, smooth[-1]))
    widening: Floats = smooth * np.sqrt(1 + _WARM_UP / len(off))
    return widening
