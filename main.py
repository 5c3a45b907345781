"""LLMLab: the application, and the server that runs it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from tempfile import TemporaryDirectory
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

import middleware
import routes
from config import Settings, announce, read_settings
from database import Database
from engines import Engines
from limiter import RateLimitMiddleware
from roads.embedded import EmbeddedPostgres
from routes import errors, fast, schema
from schemas.identities import Identity
from schemas.refusals import LimitName
from utils.errors import StartError
from utils.garbage import freeze_loaded_objects
from utils.logs import configure_logs
from utils.metrics import FOLDER_VARIABLE
from utils.rate_limits import RateLimits, rate_storage
from utils.signals import on_stop_signal
from utils.site import Site
from utils.tracing import tracer_provider

# Grace period for open requests. Docker and others kill the server after ten seconds.
_SHUTDOWN_GRACE_SECONDS = 5
# Timeout after which a worker process is replaced. On a busy machine, starting one may take almost as long.
_WORKER_TIMEOUT_SECONDS = 60


def create_app(settings: Settings | None = None, *, demo: bool = False) -> FastAPI:
    """The application, which opens its database at startup. A demo's data folder is refused unless `demo` is set."""
    settings = settings or Settings()
    spans = tracer_provider(settings.app_version)
    limits = RateLimits.of(
        rate_storage(settings.redis_url.get_secret_value() if settings.redis_url else None),
        requests=settings.rate_limit_per_minute,
        user_requests=settings.user_rate_limit_per_minute,
        events=settings.ingest_events_per_minute,
        bytes=settings.ingest_bytes_per_minute,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check_folder(settings, demo=demo)
        async with Engines.open(settings, limits, spans.get_tracer("llmlab") if spans else None) as engines:
            app.state.engines = engines
            freeze_loaded_objects()
            with on_stop_signal(engines.live.close):
                yield

    async def identify(token: str, workspace_id: UUID | None) -> Identity:
        engines: Engines = app.state.engines
        return await engines.identities.identify(token, workspace_id)

    def refused(identity: Identity | None, limit: LimitName) -> None:
        engines: Engines = app.state.engines
        engines.refusals.note(identity, limit)

    app = FastAPI(
        title="LLMLab",
        version=settings.app_version,
        description=routes.DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_tags=routes.TAGS,
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
    # The documentation pages, and the icon that browsers request with them.
    public = {*routes.PUBLIC_PATHS, *(route.path for route in app.routes if isinstance(route, Route)), "/favicon.ico"}
    # The last one added is the first to receive a request.
    limit = partial(RateLimitMiddleware, limits=limits, limit_of=routes.limit_of, refused=refused)
    app.add_middleware(fast.FastPathMiddleware, routes=routes.ROUTES)
    app.add_middleware(limit)
    app.add_middleware(middleware.AuthMiddleware, identify=identify, refuse=limit(middleware.refuse), public=public)
    app.add_middleware(middleware.BodyLimitMiddleware, limits=routes.BODY_LIMITS)
    app.add_middleware(middleware.OtlpErrorMiddleware)
    if settings.site:
        app.add_middleware(middleware.DashboardMiddleware, site=Site(settings.site))
    app.add_middleware(middleware.OldPathMiddleware, paths={**routes.OLD_PATHS, **routes.EXPORTER_PATHS})
    app.add_middleware(middleware.RequestMiddleware)
    if settings.cors_origins:
        app.add_middleware(middleware.cors, origins=settings.cors_origins)
    errors.handle(app)
    # Added directly: their paths have their prefix already, and a router between would cost time.
    app.router.routes.extend(routes.ROUTES)
    schema.describe(app)
    return app


def worker() -> FastAPI:
    """The application of one of several worker processes."""
    settings = Settings()
    configure_logs(debug=settings.debug)
    return create_app(settings)


def check_folder(settings: Settings, *, demo: bool) -> None:
    """Raises StartError for a demo's folder outside the demo, because its passwords are public."""
    if not demo and settings.holds_demo:
        raise StartError(f"{settings.data_dir} holds the demo. Start it with ./run.sh demo, or set another DATA_DIR.")


async def check_database(settings: Settings) -> None:
    """Opens the database once, so that its errors are reported before any worker starts."""
    await (await Database.open(settings)).close()


def serve(settings: Settings, *, demo: bool = False) -> None:
    """Runs the server until it is stopped."""
    configure_logs(debug=settings.debug)
    # Uvicorn re-raises the signal that stopped it, which must not end the process before Postgres is stopped.
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
            announce(settings)
            uvicorn.run(
                "main:worker" if settings.workers > 1 else create_app(settings, demo=demo),
                factory=settings.workers > 1,
                host=settings.host,
                port=settings.port,
                workers=settings.workers,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,  # Clients and proxies that keep a connection for up to a minute end it first.
                timeout_graceful_shutdown=_SHUTDOWN_GRACE_SECONDS,
                timeout_worker_healthcheck=_WORKER_TIMEOUT_SECONDS,
            )
    except StartError as error:
        sys.exit(f"Cannot start: {error}")


if __name__ == "__main__":
    serve(read_settings())
