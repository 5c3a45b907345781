"""LLMLab: settings, lifespan, middleware, routers."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from pydantic import ValidationError

from config import Settings
from database import Database
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
from engines.projects import ProjectEngine
from engines.recommendations import RecommendationsEngine
from engines.retention import RetentionEngine
from engines.server import ServerEngine
from engines.settings import SettingsEngine
from engines.terms import TermsEngine
from engines.watch import WatchEngine
from engines.workspaces import WorkspaceEngine
from middleware import (
    AuthMiddleware,
    BodyLimitMiddleware,
    DashboardMiddleware,
    DirectMiddleware,
    OtlpErrorMiddleware,
    RateLimitMiddleware,
    RequestMiddleware,
    refuse,
)
from providers import PriceBook
from roads.embedded import EmbeddedPostgres
from routes import (
    alerts,
    auth,
    budgets,
    costs,
    errors,
    events,
    exact,
    exports,
    feedback,
    ingest,
    keys,
    live,
    llm,
    metrics,
    prices,
    projects,
    recommendations,
    server,
    workspaces,
)
from routes import settings as workspace_settings
from schemas.identities import Identity
from utils.cipher import Cipher
from utils.errors import StartError
from utils.http import OneWriteProtocol
from utils.logs import configure_logs
from utils.metrics import FOLDER_VARIABLE
from utils.outbound import Outbound
from utils.rate_limits import rate_storage
from utils.signals import on_stop_signal
from utils.site import Site
from utils.tokens import Tokens
from utils.tracing import tracer_provider

DESCRIPTION = """The ledger of what an organisation spends on language models.

Sign up, press **Authorize** and paste the `access_token`, or an API key; then track an event and ask what it cost.
Who belongs to several workspaces names one in the header `X-Workspace-Id`; otherwise it is their first."""


# A file in the data folder of the demo.
DEMO_MARK = "DEMO"

TAGS = [
    {"name": "auth", "description": "Accounts and sessions"},
    {"name": "workspaces", "description": "Teams: members, invitations, the audit log, the archive"},
    {"name": "keys", "description": "API keys for applications, and your keys at your providers"},
    {"name": "projects", "description": "What events are filed under"},
    {"name": "prices", "description": "What you pay by contracts of your own"},
    {"name": "settings", "description": "Which calls may be made, and how long they are kept"},
    {"name": "events", "description": "The model calls an application made"},
    {"name": "ingest", "description": "Calls that others tell of: OpenTelemetry and LiteLLM"},
    {"name": "llm", "description": "Calls as an application saw them, and the models of the price list"},
    {"name": "costs", "description": "What they cost, by model, provider, project, tag and day"},
    {"name": "metrics", "description": "How they went: tokens, latency, errors, cost, and what good answers cost"},
    {"name": "feedback", "description": "What people think of the answers"},
    {"name": "exports", "description": "Events and costs as files: CSV, JSON lines, Parquet, FOCUS"},
    {"name": "budgets", "description": "Limits, and how much of each is used"},
    {"name": "alerts", "description": "What somebody should know, and where it is told"},
    {"name": "live updates", "description": "Being told that something has changed"},
    {"name": "recommendations", "description": "What stands out, and what would have cost less"},
    {"name": "server", "description": "The server itself"},
]


# The busiest first: a request is held against one after the other.
ROUTERS = (
    events.events,
    ingest.ingest,
    llm.llm,
    costs.costs,
    metrics.metrics,
    feedback.feedback,
    exports.exports,
    budgets.guard,
    budgets.budgets,
    alerts.alerts,
    alerts.channels,
    live.live,
    recommendations.recommendations,
    projects.projects,
    keys.keys,
    keys.provider_keys,
    prices.prices,
    workspace_settings.settings,
    workspace_settings.older,
    workspaces.workspaces,
    workspaces.audit,
    auth.public,
    auth.account,
    auth.older,
    server.server,
)

# So long a request may still take when the server is told to stop. Docker and others kill it after ten seconds.
_LAST_ANSWERS_SECONDS = 5
# A worker process that does not answer for this long is replaced. On a busy machine it may take that long to start.
_WORKER_ANSWERS_SECONDS = 60


def create_app(settings: Settings | None = None, *, demo: bool = False) -> FastAPI:
    """The application, which opens its database when it starts; a demo's only for the demo."""
    settings = settings or Settings()
    spans = tracer_provider(settings.app_version)
    storage = rate_storage(settings.redis_url.get_secret_value() if settings.redis_url else None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check_folder(settings, demo=demo)
        database = await Database.open(settings, spans.get_tracer("llmlab") if spans else None)
        book = PriceBook()
        tokens = Tokens(settings.signing_key(), settings.algorithm)
        identities = IdentityEngine(database, tokens)
        app.state.identities = identities
        changes = Changes()
        live_engine = app.state.live = LiveEngine(database, identities, changes)

        def rights_changed() -> None:
            identities.forget()
            live_engine.look_again()

        app.state.accounts = AccountEngine(
            database,
            tokens,
            timedelta(minutes=settings.access_token_expire_minutes),
            timedelta(days=settings.refresh_token_expire_days),
            storage,
            rights_changed,
        )
        app.state.workspaces = WorkspaceEngine(database, rights_changed)
        cipher = Cipher(settings.encryption_keys())
        app.state.keyring = KeyEngine(database, cipher, rights_changed)
        terms = app.state.terms = TermsEngine(database)
        app.state.events = EventEngine(database, book, terms, changes)
        app.state.costs = CostEngine(database, book)
        app.state.ingest = IngestEngine(book, app.state.events)
        app.state.projects = ProjectEngine(database, terms, changes)
        app.state.prices = PriceEngine(database, book, terms, changes)
        app.state.settings = SettingsEngine(database, terms, changes)
        app.state.archive = ArchiveEngine(database)
        app.state.budgets = BudgetEngine(database, book, terms, changes)
        app.state.metrics = MetricsEngine(database)
        app.state.feedback = FeedbackEngine(database, changes)
        app.state.exports = ExportEngine(database)
        outbound = Outbound(allow_private=settings.allow_private_webhooks)
        app.state.alerts = AlertEngine(database, cipher, outbound, settings.link, changes)
        app.state.anomalies = AnomalyEngine(database, book)
        app.state.recommendations = RecommendationsEngine(database, book, app.state.anomalies)
        app.state.watch = WatchEngine(database, app.state.anomalies, changes)
        app.state.retention = RetentionEngine(database)
        metrics_token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
        app.state.server = ServerEngine(database, settings.app_version, app.state.events, metrics_token)
        # What is loaded by now stays: looking through it for garbage would halt every request for a while.
        gc.collect()
        gc.freeze()
        # Requests leave little garbage that refers to itself: look for it every 10,000 objects, not every 700.
        gc.set_threshold(10_000, 20, 20)
        background = (app.state.alerts.delivering, app.state.watch.watching, app.state.retention.sweeping)
        working = [asyncio.create_task(work.run()) for work in background]
        telling = asyncio.create_task(live_engine.run())
        noting = asyncio.create_task(app.state.server.run())
        try:
            with on_stop_signal(live_engine.close):
                yield
        finally:
            noting.cancel()
            for work in background:
                work.stop()
            # What was accepted comes first: whoever stops us may not wait for a webhook that does not answer.
            await app.state.events.close()
            await asyncio.gather(*working)
            await outbound.close()
            live_engine.stop()
            await telling
            await database.close()

    app = FastAPI(
        title="LLMLab",
        version=settings.app_version,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_tags=TAGS,
        swagger_ui_parameters={"persistAuthorization": True},
        telemetry={
            "tracing": spans is not None,
            "tracer_provider": spans,
            "auto_configure": True,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
        },
    )

    async def identify(token: str, workspace_id: UUID | None) -> Identity:
        identity: Identity = await app.state.identities.identify(token, workspace_id)
        return identity

    # The last one added is the first to see a request.
    if spans is None:
        # A span bears the name of its route, which it has from the framework.
        app.add_middleware(DirectMiddleware, routes=exact.direct_routes(ROUTERS))
    limit = partial(RateLimitMiddleware, per_minute=settings.rate_limit_per_minute, storage=storage)
    app.add_middleware(limit)
    app.add_middleware(AuthMiddleware, identify=identify, refuse=limit(refuse))
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(OtlpErrorMiddleware)
    if settings.site:
        app.add_middleware(DashboardMiddleware, site=Site(settings.site))
    app.add_middleware(RequestMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            # The cookie of a session is for the origins that are named, never for any.
            allow_credentials="*" not in settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "X-Request-ID",
                "X-Session",
                "X-Workspace-Id",
            ],
            expose_headers=["X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
        )
    errors.handle(app)
    # Their paths are whole, so they need no router of their own between a request and its handler.
    app.router.routes.extend(route for router in ROUTERS for route in router.routes)
    exact.describe(app)
    return app


def check_folder(settings: Settings, *, demo: bool) -> None:
    """Raises StartError for a demo's folder outside the demo: everybody knows the passwords in it."""
    if not demo and settings.road == "embedded" and (settings.data_dir / DEMO_MARK).exists():
        raise StartError(f"{settings.data_dir} holds the demo; start it with ./run.sh demo, or set another DATA_DIR")


async def check_database(settings: Settings) -> None:
    """Opens the database once, so that what is wrong with it is said plainly and before any worker starts."""
    await (await Database.open(settings)).close()


def read_settings(**fixed: Any) -> Settings:
    """The settings, some of them fixed. Ends the program with a sentence about one that is wrong."""
    try:
        return Settings(**fixed)
    except ValidationError as error:
        sys.exit("Cannot start: " + "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors()))


def serve(settings: Settings, *, demo: bool = False) -> None:
    """Runs the server until it is told to stop."""
    configure_logs(debug=settings.debug)
    # Uvicorn ends by raising the signal that stopped it once more: it must not end us before Postgres is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        check_folder(settings, demo=demo)
        with ExitStack() as in_use:
            if settings.road == "embedded":
                postgres = EmbeddedPostgres(settings.data_dir)
                in_use.callback(postgres.stop)
                postgres.start()
            if settings.workers > 1 and FOLDER_VARIABLE not in os.environ:
                os.environ[FOLDER_VARIABLE] = in_use.enter_context(TemporaryDirectory(prefix="llmlab-metrics-"))
            asyncio.run(check_database(settings))
            _announce(settings)
            uvicorn.run(
                "main:app" if settings.workers > 1 else create_app(settings, demo=demo),
                host=settings.host,
                port=settings.port,
                workers=settings.workers,
                log_config=None,
                access_log=False,
                server_header=False,
                http=OneWriteProtocol,
                timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
                timeout_worker_healthcheck=_WORKER_ANSWERS_SECONDS,
            )
    except StartError as error:
        sys.exit(f"Cannot start: {error}")


def _announce(settings: Settings) -> None:
    data = {
        "embedded": f"{settings.data_dir.resolve()} (embedded Postgres)",
        "postgres": "the Postgres of DATABASE_URL",
        "supabase": f"the Supabase project at {settings.supabase_url}",
    }[settings.road]
    address = f"http://{settings.host}:{settings.port}"
    reason = "it is not built" if settings.dashboard == "on" else "DASHBOARD is off"
    lines = {
        "dashboard": address if settings.site else f"not served: {reason}",
        "API": address,
        "docs": f"{address}/docs",
        "data": data,
    }
    print(
        "\n".join([f"LLMLab {settings.app_version}", *(f"  {name:9}  {line}" for name, line in lines.items())]),
        flush=True,
    )


def __getattr__(name: str) -> FastAPI:
    """Makes `app`, which `uvicorn main:app` and each of several workers of our own load."""
    if name != "app":
        raise AttributeError(name)
    settings = Settings()
    configure_logs(debug=settings.debug)
    return create_app(settings)


if __name__ == "__main__":
    serve(read_settings())
