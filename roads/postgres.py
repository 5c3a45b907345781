"""Straight to Postgres through asyncpg: the embedded server, or the one that DATABASE_URL names."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import orjson

from roads.embedded import EmbeddedPostgres
from roads.migrations import migrate
from roads.road import OVERTAKEN, RECORDING, REFUSALS, Overtaken, Pause, polling, repeated
from roads.shares import Shares
from utils.errors import StartError, TooSlow, Unavailable

if TYPE_CHECKING:
    from roads.migrations import Connection

# Port of Supabase's transaction pooler.
_TRANSACTION_POOLER_PORT = 6543
_CONNECT_SECONDS = 10
# Interval of checking a listening connection.
_LISTENING_SECONDS = 15.0
# Pause between attempts to start the embedded server.
_NEXT_START_SECONDS = 1.0
# Recording has connections of its own, so that events are recorded while long reports hold every other one.
_RECORDING_CONNECTIONS = 5
_CONNECTIONS = 8
# Limit of a function that states none, in seconds.
_OTHER_LIMIT = 60
# Connections that one workspace may use at a time.
_SHARE = 4
# How long a statement that was stopped may take to end, in seconds.
_END_SECONDS = 5.0

# Errors of asyncpg that mean the database cannot be reached or is too busy, as opposed to errors of a statement.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    # Raised by a connection that Postgres has just ended and that is not closed yet.
    asyncpg.InternalClientError,
)

log = logging.getLogger("llmlab.database")


class PostgresRoad:
    """Two pools of connections: one for what recording events needs, one for everything else."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        writers: "asyncpg.Pool[asyncpg.Record]",
        limits: dict[str, float],
        url: str,
        embedded: EmbeddedPostgres | None = None,
    ) -> None:
        self._pool = pool
        self._writers = writers
        self._limits = limits
        self._shares = Shares(_SHARE)
        self._url = url
        self._embedded = embedded
        self._reviving: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, embedded: EmbeddedPostgres | None = None) -> "PostgresRoad":
        """Connects and migrates."""
        try:
            async with AsyncExitStack() as opened:
                pool = await _connect(url, most=_CONNECTIONS)
                opened.push_async_callback(pool.close)
                async with pool.acquire() as connection:
                    await migrate(connection)
                    limits = await connection.fetchval("select public.time_limits()")
                # Never closed when idle: the first statement on a new connection takes thirty times as long.
                writers = await _connect(url, most=_RECORDING_CONNECTIONS, max_inactive_connection_lifetime=0)
                opened.pop_all()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            where = "at DATABASE_URL" if embedded is None else "in DATA_DIR"
            raise StartError(f"The database {where} cannot be used: {error}") from error
        return cls(pool, writers, limits, url, embedded)

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        return await repeated(lambda: self._call(function, parameters))

    async def _call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        try:
            if function in RECORDING:
                async with _taken(self._writers) as connection:
                    return await self._ask(connection, function, parameters)
            async with self._shares.turn(function, parameters), _taken(self._pool) as connection:
                return await self._ask(connection, function, parameters)
        except asyncpg.QueryCanceledError as error:
            raise TooSlow from error
        except UNREACHABLE as error:
            if isinstance(error, OSError):
                self._revive()
            raise Unavailable from error
        except asyncpg.PostgresError as error:
            if error.sqlstate in REFUSALS:
                raise REFUSALS[error.sqlstate](str(error)) from None
            if error.sqlstate in OVERTAKEN:
                raise Overtaken from error
            raise

    async def _ask(self, connection: Any, function: str, parameters: Mapping[str, Any]) -> Any:
        statement = _statement(function, tuple(parameters))
        limit = self._limits.get(function, _OTHER_LIMIT)
        try:
            return await connection.fetchval(statement, *parameters.values(), timeout=limit)
        except TimeoutError as error:
            log.warning("%s was stopped after its limit of %g s", function, limit)
            raise TooSlow from error

    @asynccontextmanager
    async def listening(self, channel: str, on_notification: Callable[[str], None]) -> AsyncIterator[Pause]:
        if _is_pooled(self._url):
            # Behind a transaction pooler, listening ends with the statement that starts it.
            yield polling
            return
        ended = asyncio.Event()

        async def pause() -> None:
            try:
                await asyncio.wait_for(ended.wait(), _LISTENING_SECONDS)
            except TimeoutError:
                # A connection whose peer has vanished does not end by itself.
                await connection.fetchval("select public.schema_version()", timeout=_CONNECT_SECONDS)
            else:
                raise Unavailable

        try:
            connection = await asyncpg.connect(
                self._url, timeout=_CONNECT_SECONDS, server_settings={"application_name": "llmlab live updates"}
            )
            try:
                connection.add_termination_listener(lambda _: ended.set())
                await connection.add_listener(channel, lambda *notified: on_notification(notified[-1]))
                yield pause
            finally:
                await connection.close(timeout=1)
        except UNREACHABLE as error:
            raise Unavailable from error

    def connections(self) -> dict[str, int]:
        pools = (self._pool, self._writers)
        idle = sum(pool.get_idle_size() for pool in pools)
        return {"in_use": sum(pool.get_size() for pool in pools) - idle, "idle": idle}

    async def close(self) -> None:
        """Closes the connections, and stops the embedded server if no other process uses it."""
        await self._writers.close()
        await self._pool.close()
        if self._reviving is not None:
            self._reviving.cancel()
        if self._embedded is not None:
            self._embedded.stop()

    def _revive(self) -> None:
        """Restarts the embedded server if it has stopped, one attempt at a time."""
        if self._embedded is not None and (self._reviving is None or self._reviving.done()):
            self._reviving = asyncio.create_task(self._start_again(self._embedded))

    async def _start_again(self, embedded: EmbeddedPostgres) -> None:
        log.warning("Embedded Postgres does not respond; restarting it if it has stopped")
        try:
            await asyncio.to_thread(embedded.start)
        except (OSError, RuntimeError) as error:
            log.error("Embedded Postgres failed to start: %s", error)
        await asyncio.sleep(_NEXT_START_SECONDS)


@asynccontextmanager
async def _taken(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[Any]:
    """A connection of a pool. It is closed if a statement that was stopped on it does not end.

    The request to end a statement has no effect if it arrives before the statement.
    """
    connection = await pool.acquire()
    try:
        yield connection
    finally:
        with suppress(TimeoutError):
            await pool.release(connection, timeout=_END_SECONDS)


async def _connect(url: str, *, most: int, **options: Any) -> "asyncpg.Pool[asyncpg.Record]":
    # Times in JSON are written in the zone of the session.
    settings = {"timezone": "UTC"}
    if not _is_pooled(url):
        # Postgres ends the statement of a connection that is closed.
        settings["client_connection_check_interval"] = "2s"
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=most,
        command_timeout=_OTHER_LIMIT,
        # By default each connection is closed after 50,000 statements, which a busy server makes in a minute.
        max_queries=sys.maxsize,
        # Behind a transaction pooler every statement may meet another server connection.
        statement_cache_size=0 if _is_pooled(url) else 256,
        server_settings=settings,
        init=_prepare,
        reset=_nothing_to_reset,
        **options,
    )


def _is_pooled(url: str) -> bool:
    return urlsplit(url).port == _TRANSACTION_POOLER_PORT


@cache
def _statement(function: str, parameters: tuple[str, ...]) -> str:
    """The statement that calls a function with these parameters."""
    arguments = ", ".join(f"{name} => ${number}" for number, name in enumerate(parameters, 1))
    return f"select public.{function}({arguments})"


async def _prepare(connection: "Connection") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)


async def _nothing_to_reset(connection: "Connection") -> None:
    """Saves the round trip that resets a session, which the SQL functions leave unchanged."""
