"""Where counts of requests and failed logins are kept: in this process, or in Redis for all of them."""

from limits.aio.storage import MemoryStorage, RedisStorage, Storage

_CONNECTIONS = 20
_PATIENCE_SECONDS = 5


def rate_storage(redis_url: str | None) -> Storage:
    """Redis at the URL, or memory. A Redis that cannot be reached raises limits.errors.StorageError when it is used."""
    if redis_url is None:
        return MemoryStorage()
    # Its client loads all of OpenTelemetry, to count with.
    from redis.asyncio import BlockingConnectionPool

    # Many requests at once wait for one of a few connections; the client's own pool would refuse the hundred-and-first.
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=_CONNECTIONS, timeout=_PATIENCE_SECONDS)
    return RedisStorage(
        f"async+{redis_url}",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=pool,  # type: ignore[arg-type]  # limits' annotation leaves out what its documentation names
    )
