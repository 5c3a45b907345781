"""The decisions: access, the cost of a call, what is left of a budget, recommendations. One engine per noun.

Pure arithmetic is in `engines.analysis`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from channels.outbound import Outbound
from config import Settings
from database import Database
from engines.access import Access
from engines.accounts import AccountEngine
from engines.alerts import AlertEngine
from engines.anomalies import AnomalyEngine
from engines.archive import ArchiveEngine
from engines.budgets import BudgetEngine
from engines.changes import Changes
from engines.costs import CostEngine
from engines.events import EventEngine
from engines.exports import ExportEngine
from engines.feedback import FeedbackEngine
from engines.identities import IdentityEngine
from engines.ingest import IngestEngine
from engines.keys import KeyEngine
from engines.live import LiveEngine
from engines.metrics import MetricsEngine
from engines.prices import PriceEngine
from engines.pricing import PricingEngine
from engines.projects import ProjectEngine
from engines.recommendations import RecommendationsEngine
from engines.refusals import RefusalEngine
from engines.retention import RetentionEngine
from engines.server import ServerEngine
from engines.settings import SettingsEngine
from engines.spans import SpanEngine
from engines.terms import TermsEngine
from engines.unread_spans import UnreadSpanEngine
from engines.watch import WatchEngine
from engines.workspaces import WorkspaceEngine
from providers import PriceBook
from utils.background import Background
from utils.cipher import Cipher
from utils.rate_limits import RateLimits
from utils.tokens import Tokens

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

# How late a process sees what others have taken of a limit.
_SHARE_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Engines:
    """All engines over one database. An engine that answers the routes of one module has its name."""

    accounts: AccountEngine
    alerts: AlertEngine
    anomalies: AnomalyEngine
    archive: ArchiveEngine
    budgets: BudgetEngine
    costs: CostEngine
    events: EventEngine
    exports: ExportEngine
    feedback: FeedbackEngine
    identities: IdentityEngine
    ingest: IngestEngine
    keys: KeyEngine
    live: LiveEngine
    metrics: MetricsEngine
    prices: PriceEngine
    projects: ProjectEngine
    recommendations: RecommendationsEngine
    refusals: RefusalEngine
    retention: RetentionEngine
    server: ServerEngine
    settings: SettingsEngine
    spans: SpanEngine
    terms: TermsEngine
    unread_spans: UnreadSpanEngine
    watch: WatchEngine
    workspaces: WorkspaceEngine

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, limits: RateLimits, tracer: "Tracer | None") -> AsyncIterator[Self]:
        """Opens the database and does the work in the background; at the end everything accepted is written.

        Raises StartError.
        """
        database = await Database.open(settings, tracer)
        outbound = Outbound(allow_private=settings.allow_private_webhooks)
        engines = cls._over(database, outbound, settings, limits)
        background = (
            engines.alerts.delivering,
            engines.watch.watching,
            engines.retention.sweeping,
            engines.spans.deleting,
            engines.refusals.writing,
            engines.unread_spans.writing,
            Background("Sharing the rate limits", limits.share, _SHARE_EVERY_SECONDS),
        )
        working = [asyncio.create_task(work.run()) for work in background]
        announcing = asyncio.create_task(engines.live.run())
        noting = asyncio.create_task(engines.server.run())
        try:
            yield engines
        finally:
            noting.cancel()
            for work in background:
                work.stop()
            # What was accepted comes first: the process may be killed before a webhook that hangs answers.
            await engines.events.close()
            await asyncio.gather(*working)
            await engines.refusals.close()
            await engines.unread_spans.close()
            await outbound.close()
            engines.live.stop()
            await announcing
            await database.close()

    @classmethod
    def _over(cls, database: Database, outbound: Outbound, settings: Settings, limits: RateLimits) -> Self:
        book = PriceBook()
        tokens = Tokens(settings.signing_key(), settings.algorithm)
        cipher = Cipher(settings.encryption_keys())
        metrics_token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
        changes = Changes()
        identities = IdentityEngine(database, tokens)
        refusals = RefusalEngine(database, changes)
        live = LiveEngine(database, identities, changes, refusals)
        access = Access(identities, live)
        terms = TermsEngine(database)
        pricing = PricingEngine(database, book, terms, changes)
        events = EventEngine(database, book, terms, pricing, changes, limits.events)
        spans = SpanEngine(database, pricing, events, changes, limits.events)
        unread_spans = UnreadSpanEngine(database, changes)
        anomalies = AnomalyEngine(database, book)
        return cls(
            accounts=AccountEngine(
                database,
                tokens,
                timedelta(minutes=settings.access_token_expire_minutes),
                timedelta(days=settings.refresh_token_expire_days),
                limits.storage,
                access,
            ),
            alerts=AlertEngine(database, cipher, outbound, settings.link, changes),
            anomalies=anomalies,
            archive=ArchiveEngine(database),
            budgets=BudgetEngine(database, book, terms, changes),
            costs=CostEngine(database, book),
            events=events,
            exports=ExportEngine(database),
            feedback=FeedbackEngine(database, changes),
            identities=identities,
            ingest=IngestEngine(book, events, spans, unread_spans),
            keys=KeyEngine(database, cipher, access),
            live=live,
            metrics=MetricsEngine(database),
            prices=PriceEngine(database, book, terms, changes),
            projects=ProjectEngine(database, terms, changes),
            recommendations=RecommendationsEngine(database, book, anomalies),
            refusals=refusals,
            retention=RetentionEngine(database),
            server=ServerEngine(database, settings.app_version, events, metrics_token),
            settings=SettingsEngine(database, terms, changes),
            spans=spans,
            terms=terms,
            unread_spans=unread_spans,
            watch=WatchEngine(database, anomalies, changes),
            workspaces=WorkspaceEngine(database, access),
        )
