"""The recommendations engine: avoidable cost and cheaper models, always with the data as evidence."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

from database import Database
from engines.analysis.optimizations import missing_evidence, optimizations
from engines.analysis.switching import switches
from engines.analysis.workloads import Window
from engines.anomalies import AnomalyEngine
from providers import CustomPrices, PriceBook
from schemas.anomalies import Anomaly
from schemas.identities import Identity
from schemas.recommendations import ModelSwitches, Recommendations
from utils.time import last_days, now

# Threshold of the anomalies among all recommendations, in robust standard deviations.
_THRESHOLD = 2.0
# Most sampled events, from which the engine estimates what totals cannot show.
_SAMPLES = 500


class RecommendationsEngine:
    """Finds cheaper models and avoidable cost in what a workspace spent, and adds its anomalies."""

    def __init__(self, database: Database, prices: PriceBook, anomalies: AnomalyEngine) -> None:
        self._database = database
        self._prices = prices
        self._anomalies = anomalies

    async def recommend(self, identity: Identity, days: int, tz: str) -> Recommendations:
        """All recommendations for the last days."""
        at = now()
        window, found = await asyncio.gather(
            self._window(identity, days, tz, at),
            self._anomalies.find(identity.workspace_id, days, _THRESHOLD, tz, at),
        )
        return await asyncio.to_thread(_recommend, window, found)

    async def model_switching(self, identity: Identity, days: int, tz: str) -> ModelSwitches:
        """Cheaper models that can do the same job, priced on the calls of the last days."""
        return await asyncio.to_thread(switches, await self._window(identity, days, tz, now()))

    async def _window(self, identity: Identity, days: int, tz: str, at: datetime) -> Window:
        start, end = last_days(days, tz, at)
        usage = await self._database.model_usage(identity.workspace_id, start, end, tz, _SAMPLES)
        today = at.astimezone(ZoneInfo(tz)).date()
        return Window(usage, self._prices, CustomPrices(usage.prices), start, at, today)


def _recommend(window: Window, anomalies: list[Anomaly]) -> Recommendations:
    switching = switches(window)
    return Recommendations(
        optimizations=optimizations(window),
        missing_evidence=missing_evidence(window),
        model_recommendations=switching.recommendations,
        left_out=switching.left_out,
        basis=switching.basis,
        anomalies=anomalies,
        last_updated=window.at,
    )
