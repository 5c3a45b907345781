"""The recommendations engine: what stands out, and what would have cost less. It says nothing the data does not."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from database import Database
from engines.anomalies import Grid, Leaf, find
from engines.causes import tell
from engines.comparison import cell_of, explain
from engines.forecast import HISTORY_DAYS, forecast
from engines.optimizations import missing_evidence, optimizations
from engines.switching import Window, switches
from models import DateRange
from providers import OwnPrices, PriceBook
from schemas.anomalies import Anomalies, Anomaly
from schemas.comparison import ComparedCosts, ComparedPeriod, CostComparison, PeriodRest, PeriodUsage
from schemas.forecast import Forecast, ForecastPeriod
from schemas.identities import Identity
from schemas.ranges import TwoPeriods
from schemas.recommendations import ModelSwitches, Recommendations
from schemas.usage_history import UsageHistory
from utils.time import last_days, midnight, now

_DAYS = 30
_THRESHOLD = 2.0
# What is usual is learnt from so many days before the first that is judged, of so many pairs of project and model.
_HISTORY = timedelta(days=42)
_MOST_SERIES, _MOST_HOURLY_DAYS = 50, 90
# Nobody is told of less: in standard deviations, and in USD above what was expected.
_FAR = 3.0
_WORTH_TELLING = Decimal(1)
# A forecast is made for so many budgets.
_MOST_BUDGETS = 50
# So many pairs of project and model of two periods are compared one by one.
_MOST_CELLS = 1_000
_MOMENT = timedelta(microseconds=1)
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
        window, found = await asyncio.gather(
            self._window(identity, start, end, tz, at),
            self._anomalies(identity.workspace_id, days, _THRESHOLD, tz, at),
        )
        return await asyncio.to_thread(_advice, window, found)

    async def anomalies(self, identity: Identity, days: int, threshold: float, tz: str) -> Anomalies:
        """What was unusual by more than `threshold` robust standard deviations, and why."""
        at = now()
        start, end = last_days(days, tz, at)
        found = await self._anomalies(identity.workspace_id, days, threshold, tz, at)
        return Anomalies(count=len(found), anomalies=found, analysis_period=DateRange(start=start, end=end))

    async def unusual(self, workspace_id: UUID, tz: str, at: datetime) -> list[Anomaly]:
        """What somebody should be told: cost far above the usual since yesterday, by dollars and by spread."""
        found = await self._anomalies(workspace_id, _DAYS, _FAR, tz, at)
        yesterday = at.astimezone(ZoneInfo(tz)).date() - timedelta(days=1)
        return [
            one
            for one in found
            if one.measure == "cost" and one.date >= yesterday and one.excess_cost >= _WORTH_TELLING
        ]

    async def _anomalies(self, workspace_id: UUID, days: int, threshold: float, tz: str, at: datetime) -> list[Anomaly]:
        """The anomalies of the last days: by hours those of 90 days at most, by days all of them."""
        today = at.astimezone(ZoneInfo(tz)).date()
        start, by_hours = today - timedelta(days=days - 1), today - timedelta(days=min(days, _MOST_HOURLY_DAYS) - 1)
        grid = Grid(first=start - _HISTORY, hours_from=by_hours - _HISTORY, start=start, at=at, tz=tz)
        history = await self._database.spend_series(
            workspace_id,
            midnight(grid.first, tz),
            midnight(grid.hours_from, tz),
            # Calls may be dated a little ahead; those wait until then.
            grid.moment(grid.now + 1),
            tz,
            _MOST_SERIES,
        )
        return await asyncio.to_thread(_unusual, history, grid, threshold, self._prices)

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


def _advice(window: Window, found: list[Anomaly]) -> Recommendations:
    switching = switches(window)
    return Recommendations(
        optimizations=optimizations(window),
        missing_evidence=missing_evidence(window),
        model_recommendations=switching.recommendations,
        left_out=switching.left_out,
        basis=switching.basis,
        anomalies=found,
        last_updated=window.at,
    )


def _unusual(history: UsageHistory, grid: Grid, threshold: float, prices: PriceBook) -> list[Anomaly]:
    leaves = [Leaf(series, grid) for series in history.series]
    return tell(find(leaves, grid, threshold), leaves, grid, prices, OwnPrices(history.prices))


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
