"""The usual level of a series of days or hours, its scatter by chance, and how far each value is off.

All numbers here are calls. Money is counted in calls too: USD divided by the usual cost of a call of the series, so
that the price level changes nothing. Such a count x, whose expectation is m, is taken to scatter by chance with

    variance v(m) = NOISE m + SPREAD^2 m^2

NOISE = 2 is Poisson's m for the number of calls, doubled because the cost of calls varies (a compound
Poisson sum has the variance m (1 + cv^2); cv = 1 is that of an exponential distribution). SPREAD = 0.1: a tenth up or
down is never news, however many calls there are. The transformation

    g(x) = 2 / SPREAD asinh(SPREAD sqrt((x + 3/8) / NOISE))

is the integral of 1 / sqrt(v), which gives such counts a standard deviation of about 1 wherever they lie (Anscombe,
1948, of which the 3/8 is). With the residual r = g(x) - g(m),

    z = (r - median(r)) / max(1, 1.4826 MAD(r))

over the residuals of the series: robust standard deviations, with the chance of the calls as their floor, so that a
constant or tiny series raises no false alarms. The expectation is g^-1(g(m) + median(r)), which also corrects the lag
of m behind steady growth. Every m comes from earlier values only.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]

NOISE, SPREAD = 2.0, 0.1
# Factors from the standard error of a mean to that of a median, and from the MAD to a robust standard deviation.
_MEDIAN_ERROR, _MAD_TO_SIGMA = 1.2533, 1.4826
_WEEK = 7
_LEVEL_DAYS, _FEWEST_DAYS = 21, 5
_SEASON_WEEKS, _FEWEST_WEEKS = 8, 2
_PROFILE_DAYS, _PROFILE_WEEKS, _FEWEST_SAME = 28, 6, 3
# Usual calls below which an hour does not count for the spread.
_BUSY = 1.0
# Error rate that is taken as usual at least.
_FEW_ERRORS = 0.01


class Usual(NamedTuple):
    """For each value the z score and what was expected, and for each series its spread; NaN where nothing is known."""

    z: Array
    expected: Array
    spread: Array

    def bounds(self, z: float) -> tuple[Array, Array]:
        """The values that lie z robust standard deviations below and above what was expected."""
        spread = self.spread.reshape(-1, *[1] * (self.expected.ndim - 1))
        middle = stabilised(self.expected)
        return restored(middle - z * spread), restored(middle + z * spread)


def median(values: Array) -> Array:
    """The median over the last axis of what is not NaN; NaN where there is nothing."""
    ordered = np.sort(values, axis=-1)
    count = values.shape[-1] - np.isnan(values).sum(axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.where(count > 0, high, 0)
    picked = [np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0] for at in (low, high)]
    middle: Array = (picked[0] + picked[1]) / 2
    return middle


def stabilised(calls: Array) -> Array:
    """g(x): counts on the scale where chance has a standard deviation of 1."""
    scaled: Array = 2 / SPREAD * np.arcsinh(SPREAD * np.sqrt((np.maximum(calls, 0) + 0.375) / NOISE))
    return scaled


def restored(scaled: Array) -> Array:
    """The inverse of `stabilised`: counts, at least 0."""
    root = np.sinh(SPREAD * np.maximum(scaled, 0) / 2) / SPREAD
    return np.maximum(NOISE * root**2 - 0.375, 0)


def usual_days(calls: Array) -> Usual:
    """For series by days: calls[series, day], NaN before a series begins.

    With y = log(1 + x), m of a day is exp(level + season) - 1. `season` is the median, over up to 8 earlier weeks, of
    what the weekday had above the running median of its last 7 days, which holds every weekday once; it is shrunk by
    1 - (its standard error / itself)^2, to 0 where it is no more than chance. `level` is the median of the 21 days
    before, less their seasons. At least 5 days come before a day that is judged, and 21 before one that is judged low,
    for until then a weekend is not known.
    """
    if calls.shape[1] == 0:
        return Usual(calls, calls, np.ones(len(calls)))
    y = np.log1p(calls)
    season = _season(y)
    level = _before(y - season, _LEVEL_DAYS, _FEWEST_DAYS)
    usual = judged(calls, np.expm1(np.maximum(level + season, 0)))
    young = np.isnan(_shifted(calls, _WEEK * _FEWEST_SAME))
    return usual._replace(z=np.where(young & (usual.z < 0), 0, usual.z))


def usual_hours(calls: Array, expected_days: Array) -> Usual:
    """For series by hours: calls[series, day, hour], and what was expected of each day (of `usual_days`).

    m of an hour is the day's expectation times the median share that this hour had of its day: on the 28 days before,
    or on the same weekday of the 6 weeks before (at least 3), whichever comes closer to what happened. So a weekly job
    and a quiet weekend are usual, without a calendar that says when people work.
    """
    series, days, hours = calls.shape
    if days == 0:
        return Usual(calls, calls, np.ones(series))
    shares = calls / np.maximum(calls.sum(axis=2), 1)[..., None]
    near, far = np.full(calls.shape, np.nan), np.full(calls.shape, np.nan)
    for day in range(_WEEK * _FEWEST_SAME, days):
        near[:, day] = median(np.moveaxis(shares[:, max(0, day - _PROFILE_DAYS) : day], 1, -1))
        weeks = shares[:, day - _WEEK :: -_WEEK][:, :_PROFILE_WEEKS]
        enough = (~np.isnan(weeks)).sum(axis=1) >= _FEWEST_SAME
        far[:, day] = np.where(enough, median(np.moveaxis(weeks, 1, -1)), np.nan)
    near, far = near * expected_days[..., None], far * expected_days[..., None]
    actual = stabilised(calls)
    closer = np.abs(actual - stabilised(near)) < np.abs(actual - stabilised(far))
    usual = np.where(closer, near, far).reshape(series, days * hours)
    found = judged(calls.reshape(usual.shape), usual, busy=_BUSY, centred=False)
    return Usual(found.z.reshape(calls.shape), found.expected.reshape(calls.shape), found.spread)


def usual_errors(calls: Array, errors: Array, per_day: int) -> Usual:
    """For series of calls and failed calls, [series, time] with `per_day` times a day; only high z are meaningful.

    The usual rate p is the median of the rates of the 28 days before, at least 1%. On the scale that stabilises the
    binomial distribution, with n calls and e errors, r = 2 sqrt(n + 1/2) (asin sqrt((e + 3/8) / (n + 3/4)) - asin
    sqrt(p)), and z = r / max(1, 1.4826 MAD(r)) over the times with calls. `expected` is n p.
    """
    by_day = calls.reshape(len(calls), -1, per_day).sum(axis=2), errors.reshape(len(calls), -1, per_day).sum(axis=2)
    rates = np.divide(by_day[1], by_day[0], out=np.full(by_day[0].shape, np.nan), where=by_day[0] > 0)
    usual = np.repeat(np.maximum(_before(rates, _PROFILE_DAYS, _FEWEST_DAYS), _FEW_ERRORS), per_day, axis=1)
    share = np.sqrt(np.clip((errors + 0.375) / (calls + 0.75), 0, 1))
    r = np.where(calls > 0, 2 * np.sqrt(calls + 0.5) * (np.arcsin(share) - np.arcsin(np.sqrt(usual))), np.nan)
    spread = np.fmax(1, _MAD_TO_SIGMA * median(np.abs(r - median(r)[:, None])))
    return Usual(r / spread[:, None], calls * usual, spread)


def judged(calls: Array, usual: Array, busy: float = 0.0, centred: bool = True) -> Usual:
    """z and expectation of counts by their m; those whose m is below `busy` do not count for the spread.

    Not centred, r is taken as it is, as if its median were 0.
    """
    middle = stabilised(usual)
    r = stabilised(calls) - middle
    counted = np.where(usual >= busy, r, np.nan)
    centre = np.nan_to_num(median(counted))[:, None] if centred else 0.0
    spread = np.fmax(1, _MAD_TO_SIGMA * median(np.abs(counted - centre)))
    return Usual((r - centre) / spread[:, None], restored(middle + centre), spread)


def _season(y: Array) -> Array:
    """The usual excess of each day's weekday over its week, from earlier weeks only."""
    above = y - _running(y, _WEEK, _WEEK)
    weeks = np.stack([_shifted(above, _WEEK * week) for week in range(1, _SEASON_WEEKS + 1)], axis=-1)
    count = (~np.isnan(weeks)).sum(axis=-1)
    season = median(weeks)
    scatter = _MAD_TO_SIGMA * median(np.abs(above - season))[:, None]
    error = np.nan_to_num(_MEDIAN_ERROR * scatter) / np.sqrt(np.maximum(count, 1))
    known = (count >= _FEWEST_WEEKS) & (season != 0)
    shrunk = season * np.maximum(0, 1 - np.divide(error, season, out=np.zeros_like(season), where=known) ** 2)
    return np.where(known, shrunk, 0.0)


def _before(values: Array, window: int, fewest: int) -> Array:
    """The median of up to `window` values before each; NaN with less than `fewest`."""
    return _running(_shifted(values, 1), window, fewest)


def _running(values: Array, window: int, fewest: int) -> Array:
    """The median of each value and those before it, `window` in all; NaN with less than `fewest`."""
    padded = np.concatenate([np.full((len(values), window - 1), np.nan), values], axis=1)
    windows = sliding_window_view(padded, window, axis=1)
    enough = (~np.isnan(windows)).sum(axis=-1) >= fewest
    return np.where(enough, median(windows), np.nan)


def _shifted(values: Array, by: int) -> Array:
    """The values moved `by` places later; NaN at the front."""
    front = np.full((len(values), min(by, values.shape[1])), np.nan)
    return np.concatenate([front, values[:, : values.shape[1] - front.shape[1]]], axis=1)
