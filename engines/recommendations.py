"""The recommendations engine: what stands out, and what would have cost less. It says nothing the data does not."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import mean, stdev
from uuid import UUID
from zoneinfo import ZoneInfo

from database import Database
from engines.comparison import cell_of, explain
from engines.forecast import HISTORY_DAYS, forecast
from engines.optimizations import missing_evidence, optimizations
from engines.switching import Window, switches
from models import (
    Anomalies,
    Anomaly,
    ComparedCosts,
    ComparedPeriod,
    CostComparison,
    DailyCosts,
    DateRange,
    Forecast,
    ForecastPeriod,
    Identity,
    ModelSwitches,
    PeriodRest,
    PeriodUsage,
    Recommendations,
    TwoPeriods,
)
from providers import OwnPrices, PriceBook
from utils.time import last_days, now

_DAYS = 30
_THRESHOLD = 2.0
_FEWEST_DAYS = 6
# Nobody is told of less: in standard deviations, and in USD above what was expected.
_FAR = 3.0
_WORTH_TELLING = Decimal(1)
# A forecast is made for so many budgets.
_MOST_BUDGETS = 50
# So many pairs of project and model of two periods are compared one by one.
_MOST_CELLS = 1_000
_MOMENT = timedelta(microseconds=1)
_PICODOLLAR = Decimal("0.000000000001")
# How many events are looked at for what totals cannot say.
_SAMPLES = 500


class RecommendationsEngine:
    """Finds anomalies, cheaper models and avoidable cost in what a workspace spent."""

    def __init__(self, database: Database, prices: PriceBook) -> None:
        self._database = database
        self._prices = prices

    async def recommend(self, identity: Identity, days: int, tz: str) -> Recommendations:
        """Everything at once, for the last days."""
        at = now()
        start, end = last_days(days, tz, at)
        window, series = await asyncio.gather(
            self._window(identity, start, end, tz, at),
            self._database.model_daily_costs(identity.workspace_id, start, end, tz),
        )
        return await asyncio.to_thread(_advice, window, series)

    async def anomalies(self, identity: Identity, days: int, threshold: float, tz: str) -> Anomalies:
        """Days that stand out by more than `threshold` standard deviations."""
        start, end = last_days(days, tz, now())
        found = anomalies(await self._database.model_daily_costs(identity.workspace_id, start, end, tz), threshold)
        return Anomalies(count=len(found), anomalies=found, analysis_period=DateRange(start=start, end=end))

    async def unusual(self, workspace_id: UUID, tz: str, at: datetime) -> list[Anomaly]:
        """What somebody should be told: yesterday's and today's costs far above the usual, by dollars and by spread."""
        start, end = last_days(_DAYS, tz, at)
        found = anomalies(await self._database.model_daily_costs(workspace_id, start, end, tz), _FAR)
        yesterday = at.astimezone(ZoneInfo(tz)).date() - timedelta(days=1)
        return [day for day in found if day.date >= yesterday and day.cost - day.expected_cost >= _WORTH_TELLING]

    async def model_switching(self, identity: Identity, days: int, tz: str) -> ModelSwitches:
        """Cheaper models that can do the same job, priced on what was really used."""
        at = now()
        start, end = last_days(days, tz, at)
        return await asyncio.to_thread(switches, await self._window(identity, start, end, tz, at))

    async def compare(self, identity: Identity, wanted: TwoPeriods, limit: int) -> CostComparison:
        """Why the cost of two periods differs, with the `limit` largest changes."""
        before, after = wanted.resolve(now())
        costs = await self._database.cost_compare(identity.workspace_id, before, after, _MOST_CELLS)
        return await asyncio.to_thread(_compared, costs, self._prices, before, after, limit)

    async def forecast(self, identity: Identity, horizon: int, period: ForecastPeriod, tz: str) -> Forecast:
        """What the days from today on will cost, the whole period, and the budgets."""
        at = now()
        stored = await self._database.spend_forecast(identity.workspace_id, tz, HISTORY_DAYS, _MOST_BUDGETS, at)
        return await asyncio.to_thread(forecast, stored, period, tz, horizon, at)

    async def _window(self, identity: Identity, start: datetime, end: datetime, tz: str, at: datetime) -> Window:
        usage = await self._database.model_usage(identity.workspace_id, start, end, tz, _SAMPLES)
        today = at.astimezone(ZoneInfo(tz)).date()
        return Window(usage, self._prices, OwnPrices(usage.prices), start, at, today)


def _advice(window: Window, series: Sequence[DailyCosts]) -> Recommendations:
    switching = switches(window)
    return Recommendations(
        optimizations=optimizations(window),
        missing_evidence=missing_evidence(window),
        model_recommendations=switching.recommendations,
        left_out=switching.left_out,
        basis=switching.basis,
        anomalies=anomalies(series, _THRESHOLD),
        last_updated=window.at,
    )


def anomalies(series: Iterable[DailyCosts], threshold: float) -> list[Anomaly]:
    """The days whose cost lies more than `threshold` sample standard deviations from the mean of all the model's days.

    z = (cost - mean) / s with s the sample standard deviation (n - 1), over the days from the model's first cost on.
    Fewer than 6 days, or days that all cost the same, say nothing. The last day is usually not over yet, so that it
    cost little is no anomaly. Newest first.
    """
    found = []
    for model in series:
        costs = [float(cost) for cost in model.costs]
        if len(costs) < _FEWEST_DAYS:
            continue
        spread = stdev(costs)
        if spread == 0:
            continue
        expected = mean(costs)
        for offset, cost in enumerate(costs):
            z_score = (cost - expected) / spread
            unfinished = offset == len(costs) - 1
            if abs(z_score) < threshold or (unfinished and z_score < 0):
                continue
            found.append(
                Anomaly(
                    date=model.first_day + timedelta(days=offset),
                    provider=model.provider,
                    model=model.model,
                    cost=model.costs[offset],
                    expected_cost=_money(sum(model.costs, Decimal(0)) / len(model.costs)),
                    z_score=round(z_score, 4),
                    severity="high" if abs(z_score) >= 4 else "medium" if abs(z_score) >= 3 else "low",
                )
            )
    return sorted(found, key=lambda anomaly: (anomaly.date, abs(anomaly.z_score)), reverse=True)


def _compared(
    costs: ComparedCosts,
    prices: PriceBook,
    before: tuple[datetime, datetime],
    after: tuple[datetime, datetime],
    limit: int,
) -> CostComparison:
    """The comparison of two periods, each at the rates that held when it ended."""
    own = OwnPrices(costs.prices)
    explanation = explain(
        [cell_of(used, prices, before[1] - _MOMENT, own) for used in costs.before],
        [cell_of(used, prices, after[1] - _MOMENT, own) for used in costs.after],
        (costs.before_rest.cost, costs.after_rest.cost),
    )
    found = {
        **explanation.__dict__,
        "projects": explanation.projects[:limit],
        "models": explanation.models[:limit],
        "unpriced": explanation.unpriced[:limit],
    }
    return CostComparison(
        **found,
        before=_period(before, costs.before, costs.before_rest),
        after=_period(after, costs.after, costs.after_rest),
        project_count=len(explanation.projects),
        model_count=len(explanation.models),
    )


def _period(span: tuple[datetime, datetime], cells: Sequence[PeriodUsage], rest: PeriodRest) -> ComparedPeriod:
    return ComparedPeriod(
        start=span[0],
        end=span[1],
        call_count=int(sum(used.calls for used in cells)) + rest.calls,
        unpriced_calls=int(sum(used.unpriced_calls for used in cells)) + rest.unpriced_calls,
    )


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(_PICODOLLAR)
