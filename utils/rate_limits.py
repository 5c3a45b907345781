"""Where counts of requests and failed logins are kept: in this process, or in Redis for all of them."""

from limits.aio.storage import MemoryStorage, RedisStorage, Storage


def rate_storage(redis_url: str | None) -> Storage:
    """Redis at the URL, or memory. A Redis that cannot be reached raises limits.errors.StorageError when it is used."""
    if redis_url is None:
        return MemoryStorage()
    return RedisStorage(f"async+{redis_url}", implementation="redispy", wrap_exceptions=True)
