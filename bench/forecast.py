"""The coverage of forecast intervals on days that the forecast did not see, and the time of forecasts."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import numpy as np

from bench.load import undisturbed
from bench.plan import Bench
from bench.report import Figure, Goal, absolute
from demo.story import DAYS, make_story
from engines.analysis.forecast import HISTORY_DAYS
from engines.analysis.smoothing import Floats, simulate
from providers import PriceBook
from schemas.usage import Usage

_NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
_WEEK = np.array([1, 1.05, 1.1, 1.05, 0.95, 0.35, 0.3])
_AHEAD = 14
# The costs of a workspace and of fifty budgets.
_SERIES = 51


@dataclass(frozen=True)
class Coverage:
    """The percentage of days and of totals inside the intervals."""

    days_80: float
    days_95: float
    totals_80: float
    totals_95: float


def _noise(random: np.random.Generator, days: int, spread: float) -> Floats:
    return np.exp(random.normal(0, spread, days))


def _weekly(random: np.random.Generator, days: int) -> Floats:
    return 20 * np.resize(_WEEK, days) * _noise(random, days, 0.15)


def _shift(random: np.random.Generator, days: int) -> Floats:
    shifted = np.arange(days) >= days * random.uniform(0.3, 0.7)
    return _weekly(random, days) * np.where(shifted, random.choice([0.5, 2.0]), 1)


Kind = Callable[[np.random.Generator, int], Floats]
KINDS: dict[str, Kind] = {
    "noise": lambda random, days: 20 * _noise(random, days, 0.25),
    "weekly pattern": _weekly,
    "growth": lambda random, days: _weekly(random, days) * 1.01 ** np.arange(days),
    "level shift": _shift,
    "random walk": lambda random, days: _weekly(random, days) * np.exp(np.cumsum(random.normal(0, 0.03, days))),
    "spikes": lambda random, days: _weekly(random, days) * np.where(random.random(days) < 0.02, 4, 1),
    "even noise": lambda random, days: np.maximum(0, 20 * np.resize(_WEEK, days) + random.normal(0, 3, days)),
}


def demo_costs(now: datetime, random: Random) -> list[Floats]:
    """The daily costs of the demo, in total and by project, without the incomplete last day."""
    prices = PriceBook()
    costs: dict[str, Floats] = defaultdict(lambda: np.zeros(DAYS))
    for event in make_story(now, random).events:
        usage = Usage.of_prompt(
            input_tokens=event["input_tokens"],
            cache_read_tokens=event.get("cache_read_tokens", 0),
            output_tokens=event["output_tokens"],
        )
        cost = prices.price(event["provider"], event["model"], usage, event["timestamp"]).cost
        day = DAYS - 1 - (now.date() - event["timestamp"].date()).days
        for name in ("", event["project"]):
            costs[name][day] += float(cost or 0)
    return [series[:-1] for series in costs.values()]


def coverage(series: Iterable[Sequence[float] | Floats], origins: Iterable[int], ahead: int) -> Coverage:
    """The coverage of all series, forecast `ahead` days from each day in `origins`."""
    cases = [(np.asarray(costs, dtype=float), origin) for costs in series for origin in origins]
    found = simulate([costs[max(0, origin - HISTORY_DAYS) : origin] for costs, origin in cases], [ahead] * len(cases))
    days, totals = [], []
    for (costs, origin), simulation in zip(cases, found, strict=True):
        truth = costs[origin : origin + ahead]
        days.append(_inside(simulation.paths, truth))
        totals.append(_inside(simulation.paths.sum(axis=1), truth.sum()))
    by_day, by_total = np.concatenate(days, axis=1).mean(axis=1), np.array(totals).mean(axis=0)
    return Coverage(*(100 * float(share) for share in (*by_day, *by_total)))


def _inside(outcomes: Floats, truth: Floats) -> Floats:
    low_95, low_80, high_80, high_95 = np.quantile(outcomes, (0.025, 0.1, 0.9, 0.975), axis=0)
    inside: Floats = np.array([(low_80 <= truth) & (truth <= high_80), (low_95 <= truth) & (truth <= high_95)])
    return inside


async def intervals(bench: Bench) -> None:
    """Measures the difference of the coverage from its nominal value, and the time of forecasts."""
    several = range(bench.sizes.repeats * 3)
    sources = {
        kind: ([make(np.random.default_rng(seed), 220) for seed in several], range(60, 207, 21))
        for kind, make in KINDS.items()
    }
    sources["all of the above"] = ([costs for made, _ in sources.values() for costs in made], range(60, 207, 21))
    demo = [costs for seed in range(1, 4) for costs in demo_costs(_NOW, Random(seed))]
    sources["the demo and its projects"] = (demo, range(42, DAYS - _AHEAD, 3))
    for name, (series, origins) in sources.items():
        bench.step(name)
        found = coverage(series, origins, _AHEAD)
        pooled = name in ("all of the above", "the demo and its projects")
        for nominal, actual in ((80, found.days_80), (95, found.days_95)):
            measured = f"Coverage error of {nominal}% intervals, {_AHEAD} days ahead, {name}"
            goal = Goal("at most", 5) if pooled else None
            bench.report.rows.append(absolute(measured, Figure.of([abs(actual - nominal)]), "points", goal))
        bench.report.notes.append(
            f"Forecasts, {name}: 80% and 95% intervals covered {found.days_80:.1f}% and {found.days_95:.1f}% of the "
            f"days, and {found.totals_80:.1f}% and {found.totals_95:.1f}% of the totals of {_AHEAD} days."
        )
    histories = [_weekly(np.random.default_rng(seed), HISTORY_DAYS) for seed in range(_SERIES)]
    milliseconds = []
    for _ in bench.turns("fifty budgets"):
        with undisturbed():
            started = time.perf_counter()
            simulate(histories, [90] + [31] * (_SERIES - 1))
            milliseconds.append((time.perf_counter() - started) * 1000)
    measured = "Forecast of a workspace 90 days and fifty budgets 31 days ahead"
    bench.report.rows.append(absolute(measured, Figure.of(milliseconds), "ms", Goal("at most", 200, 100)))
