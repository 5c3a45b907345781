"""Forecasts of spend: for the period, each of the next days, and each budget."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from engines.analysis.smoothing import FEWEST_DAYS, Floats, Simulation, simulate
from schemas.budgets import Budget
from schemas.forecast import (
    BacktestedModel,
    BudgetForecast,
    Estimated,
    Forecast,
    ForecastDay,
    ForecastPeriod,
    SpendSeries,
    StoredSpend,
)

# Whole days of history that a forecast is made from.
HISTORY_DAYS = 182
# Most days ahead of a budget's forecast; its period may end later.
_LONGEST = 92
_NO_DAILY_TOTALS = "No forecast: daily totals do not cover scopes with an API key, or with a tag and other fields"


def forecast(stored: StoredSpend, period: ForecastPeriod, tz: str, horizon: int, at: datetime) -> Forecast:
    """The workspace's spend on the next `horizon` days, today included, by the end of the period, and by budget."""
    series = {one.budget_id: one for one in stored.series}
    whole = series[None]
    start, end = _period(period, whole.today)
    horizons: dict[UUID | None, int] = {None: max(horizon, (end - whole.today).days)}
    for budget in stored.budgets:
        if budget.id in series:
            last = (budget.period_end - timedelta(microseconds=1)).astimezone(ZoneInfo(budget.tz)).date()
            horizons[budget.id] = min((last - series[budget.id].today).days + 1, _LONGEST)
    able = [one for one in stored.series if len(one.costs) >= FEWEST_DAYS]
    simulations = simulate(
        [[float(cost) for cost in one.costs] for one in able], [horizons[one.budget_id] for one in able]
    )
    found = {one.budget_id: simulation for one, simulation in zip(able, simulations, strict=True)}
    simulation = found.get(None)
    spent = sum(whole.costs[max(0, len(whole.costs) - (whole.today - start).days) :], whole.spent_today)
    total, days = None, []
    if simulation is not None:
        rest = _rest_of(simulation, whole)
        ahead = rest[:, : (end - whole.today).days].sum(axis=1)
        total = Estimated(**_estimate(float(spent) + ahead))
        rest[:, 0] += float(whole.spent_today)
        days = [
            ForecastDay(date=whole.today + timedelta(days=day), **_estimate(rest[:, day])) for day in range(horizon)
        ]
    return Forecast(
        as_of=at,
        tz=tz,
        period=period,
        period_start=start,
        period_end=end - timedelta(days=1),
        spent=spent,
        total=total,
        days=days,
        model=None if simulation is None else simulation.model,
        backtest=[] if simulation is None else _tested(simulation),
        missing=_missing(whole),
        budgets=[_of_budget(budget, series.get(budget.id), found.get(budget.id)) for budget in stored.budgets],
        budgets_left_out=stored.budget_count - len(stored.budgets),
    )


def _period(period: ForecastPeriod, today: date) -> tuple[date, date]:
    """The calendar period that holds a day, [start, end)."""
    if period == "day":
        return today, today + timedelta(days=1)
    if period == "week":
        start = today - timedelta(days=today.weekday())
        return start, start + timedelta(days=7)
    months = 1 if period == "month" else 3
    start = today.replace(day=1, month=today.month - (today.month - 1) % months)
    return start, (start + timedelta(days=31 * months)).replace(day=1)


def _missing(series: SpendSeries) -> str | None:
    """Why no forecast is possible; None when one is."""
    days = len(series.costs)
    if days >= FEWEST_DAYS:
        return None
    if not days:
        return (
            f"A forecast requires {FEWEST_DAYS} whole days since the first cost; the last {HISTORY_DAYS} days before "
            "today have no cost"
        )
    since = series.today - timedelta(days=days)
    return (
        f"A forecast requires {FEWEST_DAYS} whole days since the first cost on {since}: it is available from "
        f"{since + timedelta(days=FEWEST_DAYS)} on"
    )


def _rest_of(simulation: Simulation, series: SpendSeries) -> Floats:
    """The paths without today's spend so far: the part of a day's cost that usually comes after this time of day."""
    paths = simulation.paths.copy()
    paths[:, 0] *= 1 - float(series.usual_share)
    return paths


def _of_budget(budget: Budget, series: SpendSeries | None, simulation: Simulation | None) -> BudgetForecast:
    exceeded = budget.current_spend >= budget.limit
    probability, day, until, total = 1.0 if exceeded else None, None, None, None
    if series is not None and simulation is not None:
        spend = float(budget.current_spend) + np.cumsum(_rest_of(simulation, series), axis=1)
        until = series.today + timedelta(days=spend.shape[1] - 1)
        total = Estimated(**_estimate(spend[:, -1]))
        if not exceeded:
            over = spend >= float(budget.limit)
            probability = round(float(over[:, -1].mean()), 3)
            if probability:
                first = np.argmax(over[over[:, -1]], axis=1)
                day = series.today + timedelta(days=int(np.median(first)))
    return BudgetForecast(
        id=budget.id,
        name=budget.name,
        scope=budget.scope,
        limit=budget.limit,
        period=budget.period,
        tz=budget.tz,
        period_start=budget.period_start,
        period_end=budget.period_end,
        current_spend=budget.current_spend,
        exceeded=exceeded,
        probability=probability,
        exceeds_on=day,
        until=until,
        total=total,
        model=None if simulation is None else simulation.model,
        backtest=[] if simulation is None else _tested(simulation),
        missing=_NO_DAILY_TOTALS if series is None else _missing(series),
    )


def _tested(simulation: Simulation) -> list[BacktestedModel]:
    return [
        BacktestedModel(model=model, mae=_rounded(mae), mase=None if mase is None else round(mase, 3))
        for model, mae, mase in simulation.tested
    ]


def _estimate(outcomes: Floats) -> dict[str, Decimal]:
    low_95, low_80, expected, high_80, high_95 = np.quantile(outcomes, (0.025, 0.1, 0.5, 0.9, 0.975))
    return {
        "expected": _rounded(expected),
        "low_80": _rounded(low_80),
        "high_80": _rounded(high_80),
        "low_95": _rounded(low_95),
        "high_95": _rounded(high_95),
    }


def _rounded(usd: float) -> Decimal:
    """Rounded to cents, and below a dollar to three digits: an estimate is no more exact."""
    return Decimal(f"{usd:.2f}" if usd >= 1 else f"{usd:.3g}")
