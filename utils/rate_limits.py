"""Storage for the counters of rate limits: this process, or Redis for all processes."""

from limits.aio.storage import MemoryStorage, RedisStorage, Storage

_MAX_CONNECTIONS = 20
_TIMEOUT_SECONDS = 5


def rate_storage(redis_url: str | None) -> Storage:
    """Redis at the URL, or memory. While Redis is unreachable, its methods raise limits.errors.StorageError."""
    if redis_url is None:
        return MemoryStorage()
    # Imported here, because the client loads all of OpenTelemetry.
    from redis.asyncio import BlockingConnectionPool

    # Requests wait for a free connection; the default pool raises an error if there is none.
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=_MAX_CONNECTIONS, timeout=_TIMEOUT_SECONDS)
    return RedisStorage(
        f"async+{redis_url}",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=pool,  # type: ignore[arg-type]  # missing in limits' annotation, but documented
    )
