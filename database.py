"""The one door to Postgres: a method per SQL function, of the same name and in the same order.

Three roads lead there and answer alike: the embedded server and any DATABASE_URL through asyncpg, and a Supabase
project through its REST interface. Rows become models here, and drivers' errors become ours.
"""

import asyncio
import base64
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import orjson
from asyncpg.pool import PoolConnectionProxy
from opentelemetry.trace import SpanKind, StatusCode, Tracer, get_current_span
from postgrest.exceptions import APIError
from pydantic import TypeAdapter

from config import Settings
from schemas.accounts import Account, Credentials, RefreshedAccount, Session
from schemas.alerts import Alert, AlertChannel, DueDelivery
from schemas.anomalies import Anomaly
from schemas.archive import ArchivedSpend
from schemas.budgets import Budget, BudgetIn, BudgetList
from schemas.comparison import ComparedCosts
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
from schemas.events import Duplicate, EventFilter, NewEvent, StoredEvent
from schemas.exports import CostKey
from schemas.feedback import Feedback, FeedbackIn
from schemas.forecast import StoredSpend
from schemas.identities import Identity
from schemas.keys import ApiKey, ApiKeyIn, KeyIdentity, ProviderKey, SealedKey
from schemas.live import Change, ChangeKind
from schemas.metrics import Latency, MetricDays, MetricFilter, MetricsSummary, Quality
from schemas.prices import OwnPrice, OwnPriceIn
from schemas.projects import Project
from schemas.reservations import BudgetRoom, PlannedCall, Reservation
from schemas.retention import Swept
from schemas.settings import SettingsIn, WorkspaceSettings
from schemas.terms import Terms
from schemas.usage_history import ModelUsage, UsageHistory
from schemas.watch import Watched
from schemas.workspaces import AuditLine, Invitation, Member, Workspace
from supabase import AsyncClient, AsyncClientOptions, create_async_client
from utils.errors import Conflict, Forbidden, LLMLabError, NotFound, Unavailable
from utils.json import dumps
from utils.postgres import EmbeddedPostgres
from utils.tls import trusted

MIGRATIONS = Path(__file__).parent / "supabase" / "migrations"
# A database at the last version before the baseline is brought to the baseline; an older one is refused.
_BEFORE_BASELINE = MIGRATIONS.parent / "before_baseline.sql"
_OLDEST_VERSION, _LAST_BEFORE_BASELINE = "20261120000100", "20261121002800"
# Any fixed number: it keeps two servers from migrating one database at once.
_MIGRATION_LOCK = 4_815_162_342
# Making the totals of many events anew takes its time.
_MIGRATION_SECONDS = 6 * 3600.0
_TRANSACTION_POOLER_PORT = 6543
# As changes_note calls it.
_CHANGES_CHANNEL = "llmlab_changes"
_CONNECT_SECONDS = 10
# So often a connection that listens is asked whether it still does, and where none can, changes are asked for.
_LISTENING_SECONDS = 15.0
_POLLING_SECONDS = 0.5
_PUSH = "run `supabase db push` (from version 3 of the Supabase CLI on: `supabase db push --remote`)"

# So long after an attempt to start the embedded server again comes the next one.
_NEXT_START_SECONDS = 1.0

# These have connections of their own: events are recorded while all others wait for long reports.
_WRITERS = frozenset({"record_events"})

# A function that refuses raises one of these, with the sentence for the caller as its message.
_REFUSALS: dict[str, type[LLMLabError]] = {"PT403": Forbidden, "PT404": NotFound, "PT409": Conflict}

# What asyncpg raises when it is not the statement's fault.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # What a statement gets on a connection that Postgres has just taken leave of, and that is not closed yet.
    asyncpg.InternalClientError,
)

log = logging.getLogger("llmlab.database")

T = TypeVar("T")
Pause = Callable[[], Awaitable[None]]
if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]


class StartError(Exception):
    """The database cannot be used as it is configured; the message says what to change."""


class Road(Protocol):
    """A way to call SQL functions."""

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        """The function's answer as plain Python values.

        Raises Unavailable when the database cannot be reached, and Forbidden, NotFound or Conflict when it refuses.
        """

    def listening(self, channel: str, heard: Callable[[str], None]) -> AbstractAsyncContextManager[Pause]:
        """Calls `heard` with what is notified on a channel, as far as this road can.

        What it gives waits until it is time to look what was not heard; it raises Unavailable when listening is over.
        """

    def connections(self) -> dict[str, int]:
        """How many connections to Postgres are `in_use` and `idle`; empty where they are not ours."""

    async def close(self) -> None:
        """Lets go of the connections."""


class PostgresRoad:
    """Straight to Postgres."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        writers: "asyncpg.Pool[asyncpg.Record]",
        url: str,
        embedded: EmbeddedPostgres | None = None,
    ) -> None:
        self._pool = pool
        self._writers = writers
        self._url = url
        self._embedded = embedded
        self._reviving: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, embedded: EmbeddedPostgres | None = None) -> "PostgresRoad":
        """Connects and migrates."""
        try:
            async with AsyncExitStack() as opened:
                pool = await _connect(url, most=8)
                opened.push_async_callback(pool.close)
                async with pool.acquire() as connection:
                    await migrate(connection)
                # Never closed for being idle: on a new connection a statement takes thirty times as long, once.
                writers = await _connect(url, most=5, max_inactive_connection_lifetime=0)
                opened.pop_all()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            where = "at DATABASE_URL" if embedded is None else "in DATA_DIR"
            raise StartError(f"The database {where} cannot be used: {error}") from error
        return cls(pool, writers, url, embedded)

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        pool = self._writers if function in _WRITERS else self._pool
        try:
            return await pool.fetchval(_statement(function, tuple(parameters)), *parameters.values())
        except _AWAY as error:
            if isinstance(error, OSError):
                self._revive()
            raise Unavailable from error
        except asyncpg.PostgresError as error:
            if error.sqlstate in _REFUSALS:
                raise _REFUSALS[error.sqlstate](str(error)) from None
            raise

    @asynccontextmanager
    async def listening(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[Pause]:
        if _is_pooled(self._url):
            # Behind a transaction pooler nobody listens for longer than a statement takes.
            yield _polling
            return
        over = asyncio.Event()

        async def pause() -> None:
            try:
                await asyncio.wait_for(over.wait(), _LISTENING_SECONDS)
            except TimeoutError:
                # A connection whose other end is gone without a word does not end by itself.
                await connection.fetchval("select public.schema_version()", timeout=_CONNECT_SECONDS)
            else:
                raise Unavailable

        try:
            connection = await asyncpg.connect(
                self._url, timeout=_CONNECT_SECONDS, server_settings={"application_name": "llmlab live updates"}
            )
            try:
                connection.add_termination_listener(lambda _: over.set())
                await connection.add_listener(channel, lambda *notified: heard(notified[-1]))
                yield pause
            finally:
                await connection.close(timeout=1)
        except _AWAY as error:
            raise Unavailable from error

    def connections(self) -> dict[str, int]:
        pools = (self._pool, self._writers)
        idle = sum(pool.get_idle_size() for pool in pools)
        return {"in_use": sum(pool.get_size() for pool in pools) - idle, "idle": idle}

    async def close(self) -> None:
        await self._writers.close()
        await self._pool.close()
        if self._reviving is not None:
            self._reviving.cancel()
        if self._embedded is not None:
            self._embedded.stop()

    def _revive(self) -> None:
        """Starts the embedded server again in case it has ended, one attempt at a time."""
        if self._embedded is not None and (self._reviving is None or self._reviving.done()):
            self._reviving = asyncio.create_task(self._start_again(self._embedded))

    async def _start_again(self, embedded: EmbeddedPostgres) -> None:
        log.warning("The embedded Postgres does not answer; if it has ended, it is started again")
        try:
            await asyncio.to_thread(embedded.start)
        except (OSError, RuntimeError) as error:
            log.error("The embedded Postgres does not start: %s", error)
        await asyncio.sleep(_NEXT_START_SECONDS)


class SupabaseRoad:
    """Over the REST interface of a Supabase project."""

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient) -> None:
        self._client = client
        self._http = http

    @classmethod
    async def open(cls, url: str, key: str) -> "SupabaseRoad":
        """Checks the key and the schema; migrating is for `supabase db push`."""
        if not _is_secret(key):
            raise StartError("SUPABASE_KEY is a publishable key; the server needs the project's secret key")
        http = httpx.AsyncClient(timeout=60, verify=trusted())
        options = AsyncClientOptions(httpx_client=http)
        # Left at its default, the client warns against its own parameter.
        options.postgrest_client_timeout = None  # type: ignore[assignment]
        road = cls(await create_async_client(url, key, options), http)
        try:
            await road._check_schema(url)
        except BaseException:
            await road.close()
            raise
        return road

    async def _check_schema(self, url: str) -> None:
        needed = max(path.name.split("_")[0] for path in MIGRATIONS.glob("*.sql"))
        try:
            found = await self.call("schema_version", {})
        except (APIError, Unavailable) as error:
            raise StartError(f"The schema of {url} cannot be read; {_PUSH} ({error})") from error
        if found < needed:
            raise StartError(f"The schema of {url} is at {found} and must be at {needed}; {_PUSH}")

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        plain = orjson.loads(orjson.dumps(parameters, default=str))
        try:
            return (await self._client.rpc(function, plain).execute()).data
        except httpx.HTTPError as error:
            raise Unavailable from error
        except APIError as error:
            if error.code in _REFUSALS:
                raise _REFUSALS[error.code](error.message) from None
            if str(error.code).startswith(("5", "PGRST00", "08", "57P", "53")) and not str(error.code).startswith("54"):
                raise Unavailable from error
            raise

    @asynccontextmanager
    async def listening(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[Pause]:
        yield _polling

    def connections(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        await self._http.aclose()


class TracedRoad:
    """Another road, with a span for each call that a traced request makes.

    A commit for several requests is in the trace of the one that began it, if that is not answered yet.
    """

    def __init__(self, road: Road, tracer: Tracer) -> None:
        self._road = road
        self._tracer = tracer
        self.listening = road.listening
        self.connections = road.connections
        self.close = road.close

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        if not get_current_span().is_recording():
            return await self._road.call(function, parameters)
        about = {"db.system.name": "postgresql", "db.stored_procedure.name": f"public.{function}"}
        # Of an error only the kind: what it says may hold what people sent.
        with self._tracer.start_as_current_span(
            function, kind=SpanKind.CLIENT, attributes=about, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                return await self._road.call(function, parameters)
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


class Database:
    """What the engines may ask of the database. Every method is one round trip."""

    def __init__(self, road: Road) -> None:
        self._road = road

    @classmethod
    async def open(cls, settings: Settings, tracer: Tracer | None = None) -> "Database":
        """The database the settings name. Raises StartError, saying what to change, when it cannot be used."""
        road: Road
        if settings.road == "supabase":
            assert settings.supabase_url and settings.supabase_key
            road = await SupabaseRoad.open(settings.supabase_url, settings.supabase_key.get_secret_value())
        elif settings.database_url is not None:
            road = await PostgresRoad.open(settings.database_url.get_secret_value())
        else:
            embedded = EmbeddedPostgres(settings.data_dir)
            road = await PostgresRoad.open(embedded.start(), embedded)
        return cls(road if tracer is None else TracedRoad(road, tracer))

    async def close(self) -> None:
        """Lets go of the connections, and of the embedded server."""
        await self._road.close()

    def connections(self) -> dict[str, int]:
        """How many connections to Postgres are `in_use` and `idle`; empty on the Supabase road."""
        return self._road.connections()

    async def ping(self) -> bool:
        """Whether the database answers."""
        try:
            return bool(await self._road.call("schema_version", {}))
        except Unavailable:
            return False

    # Who is calling

    async def session_use(self, session_id: UUID, workspace_id: UUID | None, now: datetime) -> Account | None:
        """The session's account, in the given workspace or its first. Raises NotFound for somebody else's workspace."""
        return await self._ask(_ACCOUNT, "session_use", p_session_id=session_id, p_workspace_id=workspace_id, p_now=now)

    async def api_key_use(self, key_hash: str, now: datetime) -> KeyIdentity | None:
        return await self._ask(_KEY_IDENTITY, "api_key_use", p_key_hash=key_hash, p_now=now)

    # Accounts

    async def signup(
        self,
        *,
        user_id: UUID,
        workspace_id: UUID,
        session_id: UUID,
        refresh_id: UUID,
        email: str,
        name: str,
        password_hash: str,
        device: str,
        now: datetime,
        expires_at: datetime,
    ) -> Account | None:
        return await self._ask(
            _ACCOUNT,
            "signup",
            p_user_id=user_id,
            p_workspace_id=workspace_id,
            p_session_id=session_id,
            p_refresh_id=refresh_id,
            p_email=email,
            p_name=name,
            p_password_hash=password_hash,
            p_device=device,
            p_now=now,
            p_expires_at=expires_at,
        )

    async def credentials(self, *, email: str | None = None, user_id: UUID | None = None) -> Credentials | None:
        return await self._ask(_CREDENTIALS, "credentials", p_email=email, p_user_id=user_id)

    async def session_start(
        self, user_id: UUID, session_id: UUID, refresh_id: UUID, device: str, now: datetime, expires_at: datetime
    ) -> Account | None:
        return await self._ask(
            _ACCOUNT,
            "session_start",
            p_user_id=user_id,
            p_session_id=session_id,
            p_refresh_id=refresh_id,
            p_device=device,
            p_now=now,
            p_expires_at=expires_at,
        )

    async def session_refresh(
        self,
        session_id: UUID,
        refresh_id: UUID,
        new_refresh_id: UUID,
        grace_seconds: int,
        now: datetime,
        expires_at: datetime,
    ) -> RefreshedAccount | None:
        return await self._ask(
            _REFRESHED_ACCOUNT,
            "session_refresh",
            p_session_id=session_id,
            p_refresh_id=refresh_id,
            p_new_refresh_id=new_refresh_id,
            p_grace_seconds=grace_seconds,
            p_now=now,
            p_expires_at=expires_at,
        )

    async def session_end(self, session_id: UUID, now: datetime) -> None:
        await self._road.call("session_end", {"p_session_id": session_id, "p_now": now})

    async def session_list(self, user_id: UUID, now: datetime) -> list[Session]:
        return await self._ask(_SESSIONS, "session_list", p_user_id=user_id, p_now=now)

    async def sessions_end(self, user_id: UUID, session_id: UUID | None, now: datetime) -> int:
        """Ends one session of the user, or all of them; returns how many ended."""
        parameters = {"p_user_id": user_id, "p_session_id": session_id, "p_now": now}
        return int(await self._road.call("sessions_end", parameters))

    async def user_update(
        self,
        user_id: UUID,
        session_id: UUID,
        workspace_id: UUID,
        name: str | None,
        password_hash: str | None,
        now: datetime,
    ) -> Account | None:
        return await self._ask(
            _ACCOUNT,
            "user_update",
            p_user_id=user_id,
            p_session_id=session_id,
            p_workspace_id=workspace_id,
            p_name=name,
            p_password_hash=password_hash,
            p_now=now,
        )

    async def user_delete(self, user_id: UUID, now: datetime) -> None:
        await self._road.call("user_delete", {"p_user_id": user_id, "p_now": now})

    # Workspaces

    async def workspace_list(self, user_id: UUID) -> list[Workspace]:
        return await self._ask(_WORKSPACES, "workspace_list", p_user_id=user_id)

    async def workspace_create(self, user_id: UUID, workspace_id: UUID, name: str, now: datetime) -> None:
        await self._do("workspace_create", p_user_id=user_id, p_workspace_id=workspace_id, p_name=name, p_now=now)

    async def workspace_rename(self, by: Identity, name: str, now: datetime) -> None:
        await self._do("workspace_rename", **_by(by), p_name=name, p_now=now)

    async def workspace_delete(self, workspace_id: UUID, name: str, now: datetime) -> bool:
        parameters = {"p_workspace_id": workspace_id, "p_name": name, "p_now": now}
        return bool(await self._road.call("workspace_delete", parameters))

    async def member_list(self, workspace_id: UUID) -> list[Member]:
        return await self._ask(_MEMBERS, "member_list", p_workspace_id=workspace_id)

    async def member_set_role(self, by: Identity, user_id: UUID, role: str, now: datetime) -> None:
        await self._do("member_set_role", **_by(by), p_user_id=user_id, p_role=role, p_now=now)

    async def member_remove(self, by: Identity, user_id: UUID, now: datetime) -> None:
        await self._do("member_remove", **_by(by), p_user_id=user_id, p_now=now)

    async def invitation_list(self, workspace_id: UUID, now: datetime) -> list[Invitation]:
        return await self._ask(_INVITATIONS, "invitation_list", p_workspace_id=workspace_id, p_now=now)

    async def invitation_create(self, by: Identity, invitation: Invitation, token_hash: str) -> None:
        await self._do(
            "invitation_create",
            **_by(by),
            p_invitation_id=invitation.id,
            p_email=invitation.email,
            p_role=invitation.role,
            p_token_hash=token_hash,
            p_now=invitation.created_at,
            p_expires_at=invitation.expires_at,
        )

    async def invitation_delete(self, by: Identity, invitation_id: UUID, now: datetime) -> None:
        await self._do("invitation_delete", **_by(by), p_invitation_id=invitation_id, p_now=now)

    async def invitation_accept(self, token_hash: str, user_id: UUID, now: datetime) -> Workspace:
        return await self._ask(_WORKSPACE, "invitation_accept", p_token_hash=token_hash, p_user_id=user_id, p_now=now)

    async def audit_list(self, workspace_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[AuditLine]:
        before_at, before_id = before or (None, None)
        return await self._ask(
            _AUDIT,
            "audit_list",
            p_workspace_id=workspace_id,
            p_before_at=before_at,
            p_before_id=before_id,
            p_limit=limit,
        )

    # Projects, keys, prices and settings

    async def project_create(self, by: Identity, names: Sequence[str], now: datetime) -> list[UUID]:
        """Makes those of these projects that are not there yet; returns their ids."""
        return await self._ask(_IDS, "project_create", **_by(by), p_names=names, p_now=now)

    async def project_list(
        self,
        workspace_id: UUID,
        start: datetime,
        end: datetime,
        *,
        project_id: UUID | None = None,
        archived: bool = False,
        after: str | None = None,
        limit: int = 1,
    ) -> list[Project]:
        return await self._ask(
            _PROJECTS,
            "project_list",
            p_workspace_id=workspace_id,
            p_project_id=project_id,
            p_start=start,
            p_end=end,
            p_archived=archived,
            p_after=after,
            p_limit=limit,
        )

    async def project_update(
        self, by: Identity, project_id: UUID, name: str | None, archived: bool | None, now: datetime
    ) -> None:
        await self._do(
            "project_update", **_by(by), p_project_id=project_id, p_name=name, p_archived=archived, p_now=now
        )

    async def api_key_list(self, workspace_id: UUID) -> list[ApiKey]:
        return await self._ask(_KEYS, "api_key_list", p_workspace_id=workspace_id, p_key_id=None)

    async def api_key_create(
        self, by: Identity, key_id: UUID, new: ApiKeyIn, key_hash: str, last_four: str, now: datetime
    ) -> ApiKey:
        (key,) = await self._ask(
            _KEYS,
            "api_key_create",
            **_by(by),
            p_user_id=by.user_id,
            p_key_id=key_id,
            p_name=new.name,
            p_key_hash=key_hash,
            p_last_four=last_four,
            p_scopes=new.scopes,
            p_project=new.project,
            p_now=now,
            p_expires_at=new.expires_at,
        )
        return key

    async def api_key_rename(self, by: Identity, key_id: UUID, name: str, now: datetime) -> ApiKey:
        (key,) = await self._ask(_KEYS, "api_key_rename", **_by(by), p_key_id=key_id, p_name=name, p_now=now)
        return key

    async def api_key_revoke(self, by: Identity, key_id: UUID, now: datetime) -> None:
        await self._do("api_key_revoke", **_by(by), p_key_id=key_id, p_now=now)

    async def provider_key_list(self, workspace_id: UUID) -> list[ProviderKey]:
        return await self._ask(_PROVIDER_KEYS, "provider_key_list", p_workspace_id=workspace_id)

    async def provider_key_create(self, by: Identity, key: ProviderKey, ciphertext: str) -> None:
        await self._do(
            "provider_key_create",
            **_by(by),
            p_user_id=by.user_id,
            p_key_id=key.id,
            p_provider=key.provider,
            p_name=key.name,
            p_ciphertext=ciphertext,
            p_last_four=key.last_four,
            p_now=key.created_at,
        )

    async def provider_key_delete(self, by: Identity, key_id: UUID, now: datetime) -> None:
        await self._do("provider_key_delete", **_by(by), p_key_id=key_id, p_now=now)

    async def provider_key_ciphertexts(self, workspace_id: UUID) -> list[SealedKey]:
        return await self._ask(_SEALED_KEYS, "provider_key_ciphertexts", p_workspace_id=workspace_id)

    async def provider_key_reencrypt(self, workspace_id: UUID, key_id: UUID, before: str, after: str) -> bool:
        """Exchanges a ciphertext; false when it is not `before` any more."""
        parameters = {"p_workspace_id": workspace_id, "p_key_id": key_id, "p_before": before, "p_after": after}
        return bool(await self._road.call("provider_key_reencrypt", parameters))

    async def price_list(self, workspace_id: UUID) -> list[OwnPrice]:
        return await self._ask(_PRICES, "price_list", p_workspace_id=workspace_id, p_price_id=None)

    async def price_create(
        self, by: Identity, price_id: UUID, provider: str, new: OwnPriceIn, starts_at: datetime, now: datetime
    ) -> OwnPrice:
        (price,) = await self._ask(
            _PRICES,
            "price_create",
            **_by(by),
            p_user_id=by.user_id,
            p_price_id=price_id,
            p_provider=provider,
            p_model=new.model,
            p_starts_at=starts_at,
            p_ends_at=new.ends_at,
            p_percent_of_list=new.percent_of_list,
            p_input=new.input,
            p_cache_read=new.cache_read,
            p_cache_write=new.cache_write,
            p_cache_write_1h=new.cache_write_1h,
            p_output=new.output,
            p_reasoning=new.reasoning,
            p_request=new.request,
            p_now=now,
        )
        return price

    async def price_end(self, by: Identity, price_id: UUID, ends_at: datetime, now: datetime) -> OwnPrice:
        (price,) = await self._ask(_PRICES, "price_end", **_by(by), p_price_id=price_id, p_ends_at=ends_at, p_now=now)
        return price

    async def settings_one(self, workspace_id: UUID) -> WorkspaceSettings:
        return await self._ask(_WORKSPACE_SETTINGS, "settings_one", p_workspace_id=workspace_id)

    async def settings_set(self, by: Identity, changes: SettingsIn, now: datetime) -> WorkspaceSettings:
        """Changes the settings that are given and answers all of them."""
        return await self._ask(
            _WORKSPACE_SETTINGS,
            "settings_set",
            **_by(by),
            p_user_id=by.user_id,
            p_changes=dumps(changes.model_dump(exclude_unset=True)).decode(),
            p_now=now,
        )

    async def workspace_terms(self, workspace_id: UUID, known_version: int | None) -> Terms | None:
        """What recording needs to know; None when it is still what the caller knows."""
        return await self._ask(_TERMS, "workspace_terms", p_workspace_id=workspace_id, p_known_version=known_version)

    # Archives

    async def export_workspace(self, workspace_id: UUID, now: datetime) -> dict[str, list[Any]]:
        return await self._ask(_TABLES, "export_workspace", p_workspace_id=workspace_id, p_now=now)

    async def export_spend(self, workspace_id: UUID, after: datetime | None) -> ArchivedSpend | None:
        """The totals of the first day after a day that has any."""
        return await self._ask(_ARCHIVED_SPEND, "export_spend", p_workspace_id=workspace_id, p_after=after)

    # Exports

    async def export_events(self, workspace_id: UUID, wanted: EventFilter) -> str | None:
        """The newest events by columns, as JSON that is not read yet; None when there are none."""
        return await self._ask(_TEXT, "export_events", p_workspace_id=workspace_id, **_of_filter(wanted))

    async def export_costs(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, after: CostKey | None, limit: int
    ) -> str | None:
        """Costs of the first day after a position that has any, as export_events does."""
        return await self._ask(
            _TEXT,
            "export_costs",
            p_workspace_id=workspace_id,
            p_start=start,
            p_end=end,
            p_tz=tz,
            p_after_date=after.date if after else None,
            p_after_project=after.project if after else None,
            p_after_provider=after.provider if after else None,
            p_after_model=after.model if after else None,
            p_limit=limit,
        )

    # Events

    async def record_events(
        self, workspace_id: UUID, events: Sequence[NewEvent], created_at: datetime
    ) -> list[Duplicate]:
        """Stores what is not there yet; answers with the events that were, by their position in `events`."""
        return await self._ask(
            _DUPLICATES,
            "record_events",
            p_workspace_id=workspace_id,
            p_created_at=created_at,
            p_events=dumps([_row(event) for event in events]).decode(),
        )

    async def event_one(self, workspace_id: UUID, event_id: UUID) -> StoredEvent | None:
        return await self._ask(_EVENT, "event_one", p_workspace_id=workspace_id, p_event_id=event_id)

    async def event_list(self, workspace_id: UUID, wanted: EventFilter) -> list[StoredEvent]:
        return await self._ask(_EVENTS, "event_list", p_workspace_id=workspace_id, **_of_filter(wanted))

    # Rollups

    async def workspace_ids(self) -> list[UUID]:
        return await self._ask(_IDS, "workspace_ids")

    async def rollup_differences(self, workspace_id: UUID, since: datetime) -> int:
        """How many rollup rows differ from a recount of the events."""
        return int(await self._road.call("rollup_differences", {"p_workspace_id": workspace_id, "p_since": since}))

    async def rebuild_rollups(self, workspace_id: UUID, since: datetime) -> None:
        await self._road.call("rebuild_rollups", {"p_workspace_id": workspace_id, "p_since": since})

    # Retention

    async def retention_due(self, now: datetime) -> list[UUID]:
        """The workspaces with events older than they want to keep."""
        return await self._ask(_IDS, "retention_due", p_now=now)

    async def retention_sweep(self, workspace_id: UUID, after: datetime | None, limit: int, now: datetime) -> Swept:
        """Deletes the oldest expired events from a moment on; with none, decides up to where the next call may."""
        return await self._ask(
            _SWEPT, "retention_sweep", p_workspace_id=workspace_id, p_after=after, p_limit=limit, p_now=now
        )

    # Costs

    async def cost_summary(self, workspace_id: UUID, start: datetime, end: datetime, tz: str) -> CostSummary:
        return await self._ask(_SUMMARY, "cost_summary", p_workspace_id=workspace_id, p_start=start, p_end=end, p_tz=tz)

    async def cost_by_provider(self, workspace_id: UUID, start: datetime, end: datetime) -> CostByProvider:
        return await self._ask(_BY_PROVIDER, "cost_by_provider", p_workspace_id=workspace_id, p_start=start, p_end=end)

    async def cost_top_models(self, workspace_id: UUID, start: datetime, end: datetime, limit: int) -> TopModels:
        return await self._ask(
            _TOP_MODELS, "cost_top_models", p_workspace_id=workspace_id, p_start=start, p_end=end, p_limit=limit
        )

    async def cost_by_project(self, workspace_id: UUID, start: datetime, end: datetime) -> CostByProject:
        return await self._ask(_BY_PROJECT, "cost_by_project", p_workspace_id=workspace_id, p_start=start, p_end=end)

    async def cost_by_tag(self, workspace_id: UUID, start: datetime, end: datetime, key: str) -> CostByTag:
        return await self._ask(_BY_TAG, "cost_by_tag", p_workspace_id=workspace_id, p_start=start, p_end=end, p_key=key)

    async def cost_tag_keys(self, workspace_id: UUID, limit: int) -> TagKeys:
        return await self._ask(_TAG_KEYS, "cost_tag_keys", p_workspace_id=workspace_id, p_limit=limit)

    async def cost_timeseries(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, step: Step, wanted: SeriesFilter
    ) -> Timeseries:
        return await self._ask(
            _TIMESERIES,
            "cost_timeseries",
            p_workspace_id=workspace_id,
            p_start=start,
            p_end=end,
            p_tz=tz,
            p_step=step,
            p_by=wanted.by,
            p_key=wanted.key,
            p_project=wanted.project,
            p_provider=wanted.provider,
            p_model=wanted.model,
            p_limit=wanted.limit,
        )

    # Metrics and feedback

    async def metrics_summary(
        self, workspace_id: UUID, start: datetime, end: datetime, wanted: MetricFilter
    ) -> MetricsSummary:
        return await self._ask(
            _METRICS, "metrics_summary", p_workspace_id=workspace_id, p_start=start, p_end=end, **_which(wanted)
        )

    async def metrics_daily(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, wanted: MetricFilter
    ) -> MetricDays:
        return await self._ask(
            _METRIC_DAYS,
            "metrics_daily",
            p_workspace_id=workspace_id,
            p_start=start,
            p_end=end,
            p_tz=tz,
            **_which(wanted),
        )

    async def metrics_latency(
        self, workspace_id: UUID, start: datetime, end: datetime, wanted: MetricFilter
    ) -> Latency:
        return await self._ask(
            _LATENCY, "metrics_latency", p_workspace_id=workspace_id, p_start=start, p_end=end, **_which(wanted)
        )

    async def feedback_set(
        self, by: Identity, feedback_id: UUID, event_id: UUID, new: FeedbackIn, now: datetime
    ) -> Feedback | None:
        """Rates an event, or changes the rating; None when there is no such event."""
        return await self._ask(
            _RATED,
            "feedback_set",
            **_by(by),
            p_feedback_id=feedback_id,
            p_event_id=event_id,
            p_rating=new.rating,
            p_comment=new.comment,
            p_now=now,
        )

    async def feedback_list(
        self,
        workspace_id: UUID,
        before: tuple[datetime, UUID] | None,
        limit: int,
        *,
        event_id: UUID | None = None,
        search: str | None = None,
        rating: int | None = None,
    ) -> list[Feedback]:
        before_at, before_id = before or (None, None)
        return await self._ask(
            _FEEDBACK,
            "feedback_list",
            p_workspace_id=workspace_id,
            p_event_id=event_id,
            p_search=search,
            p_rating=rating,
            p_before_at=before_at,
            p_before_id=before_id,
            p_limit=limit,
        )

    async def metrics_quality(
        self, workspace_id: UUID, start: datetime, end: datetime, wanted: MetricFilter
    ) -> Quality:
        return await self._ask(
            _QUALITY, "metrics_quality", p_workspace_id=workspace_id, p_start=start, p_end=end, **_which(wanted)
        )

    # Budgets

    async def budget_list(self, workspace_id: UUID, now: datetime) -> BudgetList:
        return await self._ask(_BUDGETS, "budget_list", p_workspace_id=workspace_id, p_budget_id=None, p_now=now)

    async def budget_set(self, by: Identity, budget_id: UUID, budget: BudgetIn, name: str, now: datetime) -> Budget:
        """Sets the budget of a scope and period. Raises NotFound for a project or API key that is not there."""
        scope = budget.scope
        tag_key, _, tag_value = (scope.tag or "").partition("=")
        answer = await self._ask(
            _BUDGETS,
            "budget_set",
            **_by(by),
            p_budget_id=budget_id,
            p_user_id=by.user_id,
            p_name=name,
            p_limit=budget.limit,
            p_period=budget.period,
            p_starts_on=budget.custom.start if budget.custom else None,
            p_days=budget.custom.days if budget.custom else None,
            p_project=scope.project,
            p_provider=scope.provider,
            p_model=scope.model,
            p_model_like=_like(scope.model),
            p_tag_key=tag_key or None,
            p_tag_value=tag_value or None,
            p_api_key_id=scope.api_key,
            p_hard=budget.hard,
            p_thresholds=budget.thresholds,
            p_tz=budget.tz,
            p_now=now,
        )
        return answer.budgets[0]

    async def budgets_of_call(
        self, identity: Identity, call: PlannedCall, project: str | None, now: datetime
    ) -> list[BudgetRoom]:
        """The budgets that count a call, the tightest first; `project` is its project's key."""
        return await self._ask(
            _ROOMS,
            "budgets_of_call",
            p_workspace_id=identity.workspace_id,
            **_of_call(identity, call, project),
            p_now=now,
        )

    async def reserve(
        self,
        identity: Identity,
        reservation: Reservation,
        call: PlannedCall,
        project: str | None,
        now: datetime,
    ) -> BudgetRoom | None:
        """Holds the estimate on every hard budget that counts the call, or on none; then the one that lacks room."""
        return await self._ask(
            _ROOM,
            "reserve",
            p_workspace_id=identity.workspace_id,
            p_reservation_id=reservation.id,
            p_user_id=identity.user_id,
            **_of_call(identity, call, project),
            p_amount=reservation.estimated_cost or 0,
            p_pricing=reservation.pricing,
            p_now=now,
            p_expires_at=reservation.expires_at,
        )

    async def reservation_release(self, workspace_id: UUID, reservation_id: UUID, now: datetime) -> bool:
        parameters = {"p_workspace_id": workspace_id, "p_reservation_id": reservation_id, "p_now": now}
        return bool(await self._road.call("reservation_release", parameters))

    async def alert_list(self, workspace_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[Alert]:
        before_at, before_id = before or (None, None)
        return await self._ask(
            _ALERTS,
            "alert_list",
            p_workspace_id=workspace_id,
            p_before_at=before_at,
            p_before_id=before_id,
            p_limit=limit,
        )

    async def alert_resend(self, workspace_id: UUID, alert_id: UUID, now: datetime) -> Alert:
        return await self._ask(_ALERT, "alert_resend", p_workspace_id=workspace_id, p_alert_id=alert_id, p_now=now)

    async def alert_test(self, workspace_id: UUID, alert_id: UUID, channel_id: UUID, now: datetime) -> Alert:
        return await self._ask(
            _ALERT,
            "alert_test",
            p_workspace_id=workspace_id,
            p_alert_id=alert_id,
            p_channel_id=channel_id,
            p_now=now,
        )

    async def channel_list(self, workspace_id: UUID) -> list[AlertChannel]:
        return await self._ask(_CHANNELS, "channel_list", p_workspace_id=workspace_id)

    async def channel_create(self, by: Identity, channel: AlertChannel, ciphertext: str) -> None:
        await self._do(
            "channel_create",
            **_by(by),
            p_user_id=by.user_id,
            p_channel_id=channel.id,
            p_kind=channel.kind,
            p_name=channel.name,
            p_target=channel.target,
            p_digest=channel.digest,
            p_ciphertext=ciphertext,
            p_now=channel.created_at,
        )

    async def channel_update(self, by: Identity, channel_id: UUID, digest: str | None, now: datetime) -> AlertChannel:
        parameters = {"p_channel_id": channel_id, "p_digest": digest, "p_now": now}
        return await self._ask(_CHANNEL, "channel_update", **_by(by), **parameters)

    async def channel_delete(self, by: Identity, channel_id: UUID, now: datetime) -> None:
        await self._do("channel_delete", **_by(by), p_channel_id=channel_id, p_now=now)

    async def channel_ciphertexts(self, workspace_id: UUID) -> list[SealedKey]:
        return await self._ask(_SEALED_KEYS, "channel_ciphertexts", p_workspace_id=workspace_id)

    async def channel_reencrypt(self, workspace_id: UUID, channel_id: UUID, before: str, after: str) -> bool:
        """Exchanges a ciphertext; false when it is not `before` any more."""
        parameters = {"p_workspace_id": workspace_id, "p_channel_id": channel_id, "p_before": before, "p_after": after}
        return bool(await self._road.call("channel_reencrypt", parameters))

    async def watch_claim(self, now: datetime, limit: int) -> list[Watched]:
        """Takes workspaces, whichever they are, that are due to be looked at; nobody else gets them within the hour."""
        return await self._ask(_WATCHED, "watch_claim", p_now=now, p_limit=limit)

    async def watch_note(self, watched: Watched, anomalies: Sequence[Anomaly], now: datetime) -> None:
        """Writes alerts for what stood out, and the digests that are due."""
        await self._do(
            "watch_note",
            p_workspace_id=watched.workspace_id,
            p_tz=watched.tz,
            p_anomalies=dumps(anomalies).decode(),
            p_now=now,
        )

    async def delivery_claim(self, now: datetime, lease_until: datetime, limit: int) -> list[DueDelivery]:
        """Takes deliveries that are due, of any workspace; until the lease ends nobody else gets them."""
        return await self._ask(_DUE, "delivery_claim", p_now=now, p_lease_until=lease_until, p_limit=limit)

    async def outbox_pending(self) -> int:
        """How many deliveries are waiting, in all workspaces."""
        return int(await self._road.call("outbox_pending", {}))

    async def delivery_done(
        self, due: DueDelivery, error: str | None, retry_at: datetime | None, now: datetime
    ) -> None:
        """Writes down how an attempt ended; with an error and no time to try again, it was the last one."""
        await self._do(
            "delivery_done",
            p_workspace_id=due.workspace_id,
            p_alert_id=due.alert.id,
            p_channel_id=due.channel_id,
            p_delivery_id=due.id,
            p_attempt=due.attempt,
            p_error=error,
            p_retry_at=retry_at,
            p_now=now,
        )

    async def budget_delete(self, by: Identity, budget_id: UUID, now: datetime) -> bool:
        return bool(await self._road.call("budget_delete", {**_by(by), "p_budget_id": budget_id, "p_now": now}))

    # Live updates

    async def changes_note(self, changes: Iterable[tuple[UUID, ChangeKind]], now: datetime) -> list[Change]:
        """Counts the changes of workspaces, and tells whoever is `listening`."""
        workspace_ids, kinds = zip(*changes, strict=True)
        return await self._ask(
            _CHANGES, "changes_note", p_workspace_ids=list(workspace_ids), p_kinds=list(kinds), p_now=now
        )

    async def changes_of(self, workspace_ids: Iterable[UUID]) -> list[Change]:
        """How often the workspaces have changed; one that is gone is left out."""
        return await self._ask(_CHANGES, "changes_of", p_workspace_ids=list(workspace_ids))

    def listening(self, heard: Callable[[Change], None]) -> AbstractAsyncContextManager[Pause]:
        """Calls `heard` with the changes of any workspace, as far as the road can.

        What it gives waits until it is time to ask for what was not heard; it raises Unavailable when listening is
        over. So asking once inside and again after each pause misses nothing.
        """
        return self._road.listening(_CHANGES_CHANNEL, lambda payload: heard(_CHANGE.validate_json(payload)))

    # Advice

    async def cost_compare(
        self,
        workspace_id: UUID,
        before: tuple[datetime, datetime],
        after: tuple[datetime, datetime],
        limit: int,
    ) -> ComparedCosts:
        """Two ranges by project and model: the `limit` dearest of them one by one."""
        return await self._ask(
            _COMPARED,
            "cost_compare",
            p_workspace_id=workspace_id,
            p_before_start=before[0],
            p_before_end=before[1],
            p_after_start=after[0],
            p_after_end=after[1],
            p_limit=limit,
        )

    async def spend_forecast(self, workspace_id: UUID, tz: str, days: int, budgets: int, now: datetime) -> StoredSpend:
        """The costs of the last `days` whole days, and of as many budgets, each by its own time zone."""
        return await self._ask(
            _STORED_SPEND,
            "spend_forecast",
            p_workspace_id=workspace_id,
            p_tz=tz,
            p_days=days,
            p_limit=budgets,
            p_now=now,
        )

    async def spend_series(
        self, workspace_id: UUID, start: datetime, hours_from: datetime, end: datetime, tz: str, limit: int
    ) -> UsageHistory:
        """The use of the `limit` dearest pairs of project and model by hours, before `hours_from` by days."""
        return await self._ask(
            _HISTORY,
            "spend_series",
            p_workspace_id=workspace_id,
            p_start=start,
            p_hours_from=hours_from,
            p_end=end,
            p_tz=tz,
            p_limit=limit,
        )

    async def model_usage(
        self, workspace_id: UUID, start: datetime, end: datetime, tz: str, samples: int
    ) -> ModelUsage:
        return await self._ask(
            _MODEL_USAGE,
            "model_usage",
            p_workspace_id=workspace_id,
            p_start=start,
            p_end=end,
            p_tz=tz,
            p_samples=samples,
        )

    async def _ask(self, answer: "TypeAdapter[T]", function: str, **parameters: Any) -> T:
        return answer.validate_python(await self._road.call(function, parameters))

    async def _do(self, function: str, **parameters: Any) -> None:
        await self._road.call(function, parameters)


def _of_filter(wanted: EventFilter) -> dict[str, Any]:
    """The parameters that say which events are wanted."""
    before_timestamp, before_id = wanted.before or (None, None)
    return {
        "p_start": wanted.start,
        "p_end": wanted.end,
        "p_provider": wanted.provider,
        "p_model": wanted.model,
        "p_project": wanted.project,
        "p_status": wanted.status,
        "p_tag": _text(wanted.tag or {}),
        "p_policy_violation": wanted.policy_violation,
        "p_before_timestamp": before_timestamp,
        "p_before_id": before_id,
        "p_limit": wanted.limit,
    }


def _of_call(identity: Identity, call: PlannedCall, project: str | None) -> dict[str, Any]:
    """The parameters that say which budgets count a call."""
    return {
        "p_provider": call.provider,
        "p_model": call.model,
        "p_project": project,
        "p_tags": _text(call.tags),
        "p_api_key_id": identity.key_id,
    }


def _which(wanted: MetricFilter) -> dict[str, str | None]:
    """The parameters that say which calls to measure."""
    return {"p_project": wanted.project, "p_provider": wanted.provider, "p_model": wanted.model}


def _like(pattern: str | None) -> str | None:
    """A pattern with * for anything, as ilike reads it."""
    if pattern is None:
        return None
    return pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")


def _by(identity: Identity) -> dict[str, UUID]:
    """The parameters that say in which workspace something changes, and whose deed it is."""
    return {"p_workspace_id": identity.workspace_id, "p_actor_id": identity.actor_id}


_IDS = TypeAdapter(list[UUID])
_TEXT: TypeAdapter[str | None] = TypeAdapter(str | None)
_ACCOUNT: TypeAdapter[Account | None] = TypeAdapter(Account | None)
_REFRESHED_ACCOUNT: TypeAdapter[RefreshedAccount | None] = TypeAdapter(RefreshedAccount | None)
_CREDENTIALS: TypeAdapter[Credentials | None] = TypeAdapter(Credentials | None)
_DUPLICATES = TypeAdapter(list[Duplicate])
_KEY_IDENTITY: TypeAdapter[KeyIdentity | None] = TypeAdapter(KeyIdentity | None)
_SESSIONS = TypeAdapter(list[Session])
_WORKSPACE = TypeAdapter(Workspace)
_WORKSPACES = TypeAdapter(list[Workspace])
_MEMBERS = TypeAdapter(list[Member])
_INVITATIONS = TypeAdapter(list[Invitation])
_AUDIT = TypeAdapter(list[AuditLine])
_PROJECTS = TypeAdapter(list[Project])
_KEYS = TypeAdapter(list[ApiKey])
_PROVIDER_KEYS = TypeAdapter(list[ProviderKey])
_SEALED_KEYS = TypeAdapter(list[SealedKey])
_PRICES = TypeAdapter(list[OwnPrice])
_WORKSPACE_SETTINGS = TypeAdapter(WorkspaceSettings)
_TERMS: TypeAdapter[Terms | None] = TypeAdapter(Terms | None)
_TABLES = TypeAdapter(dict[str, list[Any]])
_ARCHIVED_SPEND: TypeAdapter[ArchivedSpend | None] = TypeAdapter(ArchivedSpend | None)
_EVENT: TypeAdapter[StoredEvent | None] = TypeAdapter(StoredEvent | None)
_EVENTS = TypeAdapter(list[StoredEvent])
_SWEPT = TypeAdapter(Swept)
_SUMMARY = TypeAdapter(CostSummary)
_BY_PROVIDER = TypeAdapter(CostByProvider)
_TOP_MODELS = TypeAdapter(TopModels)
_BY_PROJECT = TypeAdapter(CostByProject)
_BY_TAG = TypeAdapter(CostByTag)
_TAG_KEYS = TypeAdapter(TagKeys)
_TIMESERIES = TypeAdapter(Timeseries)
_METRICS = TypeAdapter(MetricsSummary)
_METRIC_DAYS = TypeAdapter(MetricDays)
_LATENCY = TypeAdapter(Latency)
_RATED: TypeAdapter[Feedback | None] = TypeAdapter(Feedback | None)
_FEEDBACK = TypeAdapter(list[Feedback])
_QUALITY = TypeAdapter(Quality)
_BUDGETS = TypeAdapter(BudgetList)
_ROOM: TypeAdapter[BudgetRoom | None] = TypeAdapter(BudgetRoom | None)
_ROOMS = TypeAdapter(list[BudgetRoom])
_ALERT = TypeAdapter(Alert)
_ALERTS = TypeAdapter(list[Alert])
_CHANNEL = TypeAdapter(AlertChannel)
_CHANNELS = TypeAdapter(list[AlertChannel])
_WATCHED = TypeAdapter(list[Watched])
_DUE = TypeAdapter(list[DueDelivery])
_CHANGE = TypeAdapter(Change)
_CHANGES = TypeAdapter(list[Change])
_COMPARED = TypeAdapter(ComparedCosts)
_STORED_SPEND = TypeAdapter(StoredSpend)
_HISTORY = TypeAdapter(UsageHistory)
_MODEL_USAGE = TypeAdapter(ModelUsage)


async def migrate(connection: "Connection") -> list[str]:
    """Runs the migrations the database has not had, all or none, and records them as the Supabase CLI does.

    Returns the versions it ran. Servers that start together take turns. Raises StartError when the database is too old.
    """
    # One transaction for all: the lock then holds behind a transaction pooler too, and goes with whatever happens.
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _MIGRATION_LOCK, timeout=_MIGRATION_SECONDS)
        await connection.execute(
            "create schema if not exists supabase_migrations;"
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text)"
        )
        done = {row["version"] for row in await connection.fetch(
            "select version from supabase_migrations.schema_migrations"
        )}  # fmt: skip
        ran = []
        if old := {version for version in done if _OLDEST_VERSION <= version <= _LAST_BEFORE_BASELINE}:
            done.add(await _adopt_baseline(connection, max(old)))
        for path in sorted(MIGRATIONS.glob("*.sql")):
            version, name = path.stem.split("_", 1)
            if version in done:
                continue
            statements = path.read_text()
            await connection.execute(statements, timeout=_MIGRATION_SECONDS)
            await _record(connection, version, name, statements)
            ran.append(version)
        return ran


async def _adopt_baseline(connection: "Connection", found: str) -> str:
    """Brings a database at the last version before the baseline to the baseline, whose version it returns.

    Its tables stay; its functions and views are replaced.
    """
    if found < _LAST_BEFORE_BASELINE:
        raise StartError(
            f"The database is at version {found}, which is too old for this LLMLab. Start the last LLMLab that has"
            f" supabase/migrations/{_LAST_BEFORE_BASELINE}_fewer_steps.sql once with it, and then this one."
        )
    (path,) = MIGRATIONS.glob("*_baseline.sql")
    version, name = path.stem.split("_", 1)
    statements = path.read_text()
    roles, _, rest = statements.partition("\n-- Tables\n")
    _, _, functions = rest.partition("\n-- Functions\n")
    for part in (_BEFORE_BASELINE.read_text(), roles, functions):
        await connection.execute(part, timeout=_MIGRATION_SECONDS)
    await connection.execute(
        "delete from supabase_migrations.schema_migrations where version between $1 and $2",
        _OLDEST_VERSION,
        _LAST_BEFORE_BASELINE,
    )
    await _record(connection, version, name, statements)
    return version


async def _record(connection: "Connection", version: str, name: str, statements: str) -> None:
    await connection.execute(
        "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
        version,
        [statements],
        name,
    )


def _is_pooled(url: str) -> bool:
    return urlsplit(url).port == _TRANSACTION_POOLER_PORT


async def _polling() -> None:
    await asyncio.sleep(_POLLING_SECONDS)


async def _connect(url: str, *, most: int, **options: Any) -> "asyncpg.Pool[asyncpg.Record]":
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=most,
        command_timeout=60,
        # Otherwise each connection is closed after 50,000 statements, which a busy server makes in a minute.
        max_queries=sys.maxsize,
        # Behind a transaction pooler every statement may meet another server connection.
        statement_cache_size=0 if _is_pooled(url) else 256,
        # Times in JSON are written in the zone of the session.
        server_settings={"timezone": "UTC"},
        init=_prepare,
        reset=_nothing_to_reset,
        **options,
    )


@cache
def _statement(function: str, parameters: tuple[str, ...]) -> str:
    """The statement that calls a function with these parameters."""
    arguments = ", ".join(f"{name} => ${number}" for number, name in enumerate(parameters, 1))
    return f"select public.{function}({arguments})"


async def _prepare(connection: "Connection") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)


async def _nothing_to_reset(connection: "Connection") -> None:
    """Spares the round trip that would reset a session in which nothing but functions of ours was called."""


def _row(event: NewEvent) -> dict[str, Any]:
    """An event as record_events takes it."""
    usage, price = event.usage, event.price
    row: dict[str, Any] = {
        "id": event.id,
        "timestamp": event.timestamp,
        "user_id": event.user_id,
        "provider": event.provider,
        "model": event.model,
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost": price.cost,
        "pricing": price.pricing,
        "project": event.project,
        "status": event.status,
        "latency_ms": event.latency_ms,
    }
    if event.error_message is not None:
        row["error_message"] = event.error_message
    if event.tags:
        row["tags"] = event.tags
    if event.metadata is not None:
        row["metadata"] = orjson.Fragment(event.metadata)
    if usage.detail:
        row["usage_detail"] = usage.detail
    if event.api_key_id is not None:
        row["api_key_id"] = event.api_key_id
    if event.reservation_id is not None:
        row["reservation_id"] = event.reservation_id
    if event.policy_violations:
        row["policy_violations"] = event.policy_violations
    return row


def _text(value: Mapping[str, Any]) -> str | None:
    """JSON as text, which no REST layer on the way encodes twice; None for nothing."""
    return dumps(value).decode() if value else None


def _is_secret(key: str) -> bool:
    """Whether a Supabase key is one that bypasses row security: sb_secret_..., or a JWT of the service role."""
    if key.startswith("sb_"):
        return key.startswith("sb_secret_")
    try:
        payload = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return bool(claims["role"] == "service_role")
    except (IndexError, KeyError, TypeError, ValueError):
        return False
