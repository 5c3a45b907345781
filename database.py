"""The interface to Postgres: all queries of the engines, over the road that the settings select.

There are three roads with the same results: the embedded server and any DATABASE_URL through asyncpg, and a Supabase
project through its REST API. The queries are in queries/, one file for each noun of supabase/schemas/; the roads are
in roads/.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from opentelemetry.trace import Tracer

from config import Settings
from queries.accounts import AccountQueries
from queries.alerts import AlertQueries
from queries.anomalies import AnomalyQueries
from queries.audit import AuditQueries
from queries.budgets import BudgetQueries
from queries.comparison import ComparisonQueries
from queries.costs import CostQueries
from queries.events import EventQueries
from queries.exports import ExportQueries
from queries.feedback import FeedbackQueries
from queries.forecast import ForecastQueries
from queries.keys import KeyQueries
from queries.live import LiveQueries
from queries.metrics import MetricsQueries
from queries.prices import PriceQueries
from queries.projects import ProjectQueries
from queries.recommendations import RecommendationQueries
from queries.refusals import RefusalQueries
from queries.reservations import ReservationQueries
from queries.retention import RetentionQueries
from queries.rollups import RollupQueries
from queries.settings import SettingsQueries
from queries.spans import SpanQueries
from queries.unread_spans import UnreadSpanQueries
from queries.watch import WatchQueries
from queries.workspaces import WorkspaceQueries
from roads.embedded import EmbeddedPostgres
from roads.postgres import PostgresRoad
from roads.road import Pause, Road
from roads.tracing import TracedRoad
from schemas.live import Change
from utils.errors import Unavailable

# Channel that changes_note notifies.
_CHANGES_CHANNEL = "llmlab_changes"


class Database(
    AccountQueries,
    WorkspaceQueries,
    AuditQueries,
    ProjectQueries,
    KeyQueries,
    PriceQueries,
    SettingsQueries,
    EventQueries,
    SpanQueries,
    RollupQueries,
    CostQueries,
    ComparisonQueries,
    BudgetQueries,
    ReservationQueries,
    AlertQueries,
    WatchQueries,
    ForecastQueries,
    FeedbackQueries,
    MetricsQueries,
    RecommendationQueries,
    AnomalyQueries,
    RetentionQueries,
    ExportQueries,
    LiveQueries,
    RefusalQueries,
    UnreadSpanQueries,
):
    """All queries of the engines. Each method is one round trip."""

    @classmethod
    async def open(cls, settings: Settings, tracer: Tracer | None = None) -> "Database":
        """Opens the database of the settings. Raises StartError if it cannot be used."""
        road: Road
        if settings.road == "supabase":
            # Imported only here: the Supabase client would delay the start on every other road.
            from roads.supabase import SupabaseRoad

            assert settings.supabase_url and settings.supabase_key
            road = await SupabaseRoad.open(settings.supabase_url, settings.supabase_key.get_secret_value())
        elif settings.database_url is not None:
            road = await PostgresRoad.open(settings.database_url.get_secret_value())
        else:
            embedded = EmbeddedPostgres(settings.data_dir)
            road = await PostgresRoad.open(embedded.start(), embedded)
        return cls(road if tracer is None else TracedRoad(road, tracer))

    async def close(self) -> None:
        """Closes the connections, and stops the embedded server if no other process uses it."""
        await self._road.close()

    def connections(self) -> dict[str, int]:
        """The number of connections to Postgres that are `in_use` and `idle`; empty on the Supabase road."""
        return self._road.connections()

    async def ping(self) -> bool:
        """Whether the database answers."""
        try:
            return bool(await self._road.call("schema_version", {}))
        except Unavailable:
            return False

    def listening(self, on_change: Callable[[Change], None]) -> AbstractAsyncContextManager[Pause]:
        """Calls `on_change` with the changes of all workspaces, if the road can listen.

        Yields a coroutine that returns when the next catch-up query is due, and raises Unavailable when listening has
        ended. A query at the beginning and after each pause misses no change.
        """
        return self._road.listening(_CHANGES_CHANNEL, lambda payload: on_change(Change.model_validate_json(payload)))
