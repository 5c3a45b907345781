"""The cost engine: totals of what was spent, why they changed, and a forecast."""

import asyncio
from datetime import timedelta

from database import Database
from engines.analysis.comparison import compare
from engines.analysis.forecast import HISTORY_DAYS, forecast
from providers import PriceBook
from schemas.comparison import CostComparison
from schemas.costs import (
    CostByProject,
    CostByProvider,
    CostByTag,
    CostSummary,
    SeriesFilter,
    Step,
    TagKeys,
    Timeseries,
    TopModels,
)
from schemas.forecast import Forecast, ForecastPeriod
from schemas.identities import Identity
from schemas.ranges import CostRange, TwoPeriods
from utils.errors import Invalid
from utils.time import now

_MOST_TAG_KEYS = 1000
_LONGEST_HOURLY_RANGE = timedelta(days=32)
# Most pairs of project and model in each of two periods that are compared one by one.
_MOST_CELLS = 1_000
# Most budgets of a forecast.
_MOST_BUDGETS = 50


class CostEngine:
    """Answers with totals of recorded events. Days and periods are those of a time zone."""

    def __init__(self, database: Database, prices: PriceBook) -> None:
        self._database = database
        self._prices = prices

    async def summary(self, identity: Identity, wanted: CostRange) -> CostSummary:
        """Totals, by model and by day."""
        start, end = wanted.resolve(now())
        return await self._database.cost_summary(identity.workspace_id, start, end, wanted.tz)

    async def by_provider(self, identity: Identity, wanted: CostRange) -> CostByProvider:
        """Totals by provider and model."""
        return await self._database.cost_by_provider(identity.workspace_id, *wanted.resolve(now()))

    async def top_models(self, identity: Identity, wanted: CostRange, limit: int) -> TopModels:
        """The most expensive models."""
        return await self._database.cost_top_models(identity.workspace_id, *wanted.resolve(now()), limit)

    async def by_project(self, identity: Identity, wanted: CostRange) -> CostByProject:
        """Totals by project."""
        return await self._database.cost_by_project(identity.workspace_id, *wanted.resolve(now()))

    async def by_tag(self, identity: Identity, wanted: CostRange, key: str) -> CostByTag:
        """Totals by the values of a tag."""
        return await self._database.cost_by_tag(identity.workspace_id, *wanted.resolve(now()), key)

    async def tag_keys(self, identity: Identity) -> TagKeys:
        """The tags that costs can be split by."""
        return await self._database.cost_tag_keys(identity.workspace_id, _MOST_TAG_KEYS)

    async def timeseries(self, identity: Identity, wanted: CostRange, step: Step, series: SeriesFilter) -> Timeseries:
        """Totals over time. Raises Invalid for an hourly range of over 31 days, and a split by tag with filters."""
        if (series.by == "tag") != (series.key is not None):
            raise Invalid("key is required for a split by tag, and not allowed otherwise", loc=("query", "key"))
        if series.by == "tag" and (series.project or series.provider or series.model):
            raise Invalid("A split by tag cannot be filtered; omit project, provider and model", loc=("query", "by"))
        start, end = wanted.resolve(now())
        if step == "hour" and end - start > _LONGEST_HOURLY_RANGE:
            raise Invalid(
                "An hourly series covers at most 31 days; request a shorter range, or use bucket=day",
                loc=("query", "bucket"),
            )
        return await self._database.cost_timeseries(identity.workspace_id, start, end, wanted.tz, step, series)

    async def compare(self, identity: Identity, wanted: TwoPeriods, limit: int) -> CostComparison:
        """Why the cost of two periods differs, with the `limit` largest changes."""
        before, after = wanted.resolve(now())
        costs = await self._database.cost_compare(identity.workspace_id, before, after, _MOST_CELLS)
        return await asyncio.to_thread(compare, costs, self._prices, before, after, limit)

    async def forecast(self, identity: Identity, horizon: int, period: ForecastPeriod, tz: str) -> Forecast:
        """The spend on the next `horizon` days, today included, of the whole period, and of the budgets."""
        at = now()
        stored = await self._database.spend_forecast(identity.workspace_id, tz, HISTORY_DAYS, _MOST_BUDGETS, at)
        return await asyncio.to_thread(forecast, stored, period, tz, horizon, at)
