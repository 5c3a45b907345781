"""The anomaly engine: when cost or failures were far from usual, and why."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from database import Database
from engines.analysis.anomalies import find
from engines.analysis.causes import with_causes
from engines.analysis.grid import Grid, Leaf
from models import DateRange
from providers import CustomPrices, PriceBook
from schemas.anomalies import Anomalies, Anomaly
from schemas.identities import Identity
from schemas.usage_history import UsageHistory
from utils.time import last_days, midnight, now

# History before the first judged day, from which the usual level is estimated.
_HISTORY = timedelta(days=42)
# Maximum number of pairs of project and model, and of days that are judged by hours.
_MOST_SERIES, _MOST_HOURLY_DAYS = 50, 90
# Days that are judged for alerts, and the minimum of an alert: robust standard deviations and USD above expectation.
_ALERT_DAYS = 30
_ALERT_THRESHOLD = 3.0
_ALERT_EXCESS = Decimal(1)


class AnomalyEngine:
    """Finds anomalies in what a workspace spent."""

    def __init__(self, database: Database, prices: PriceBook) -> None:
        self._database = database
        self._prices = prices

    async def anomalies(self, identity: Identity, days: int, threshold: float, tz: str) -> Anomalies:
        """The anomalies of the last days: what was off by at least `threshold` robust standard deviations."""
        at = now()
        start, end = last_days(days, tz, at)
        found = await self.find(identity.workspace_id, days, threshold, tz, at)
        return Anomalies(count=len(found), anomalies=found, analysis_period=DateRange(start=start, end=end))

    async def alarming(self, workspace_id: UUID, tz: str, at: datetime) -> list[Anomaly]:
        """Anomalies that create an alert: cost since yesterday that is far above the usual, in USD and by spread."""
        found = await self.find(workspace_id, _ALERT_DAYS, _ALERT_THRESHOLD, tz, at)
        yesterday = at.astimezone(ZoneInfo(tz)).date() - timedelta(days=1)
        return [
            one for one in found if one.measure == "cost" and one.date >= yesterday and one.excess_cost >= _ALERT_EXCESS
        ]

    async def find(self, workspace_id: UUID, days: int, threshold: float, tz: str, at: datetime) -> list[Anomaly]:
        """The anomalies of the last days before a moment: by days, and by hours for 90 days at most."""
        today = at.astimezone(ZoneInfo(tz)).date()
        start, by_hours = today - timedelta(days=days - 1), today - timedelta(days=min(days, _MOST_HOURLY_DAYS) - 1)
        grid = Grid(first=start - _HISTORY, hours_from=by_hours - _HISTORY, start=start, at=at, tz=tz)
        history = await self._database.spend_series(
            workspace_id,
            midnight(grid.first, tz),
            midnight(grid.hours_from, tz),
            # Calls may be dated a little ahead; those count when their time has come.
            grid.moment(grid.now + 1),
            tz,
            _MOST_SERIES,
        )
        return await asyncio.to_thread(_find, history, grid, threshold, self._prices)


def _find(history: UsageHistory, grid: Grid, threshold: float, prices: PriceBook) -> list[Anomaly]:
    leaves = [Leaf(series, grid) for series in history.series]
    return with_causes(find(leaves, grid, threshold), leaves, grid, prices, CustomPrices(history.prices))
