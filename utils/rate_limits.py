"""Rate limits: what a minute allows, and where it is counted: in this process, or in Redis for all processes."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Self

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import StorageError

_MAX_CONNECTIONS = 20
# Redis answers within this time or is away. Waiting for a free connection takes longer in a burst of requests.
_REDIS_SECONDS = 10
_CONNECTION_SECONDS = 60
_MINUTE = 60.0
# A bucket holds what a minute allows, and owes as much again at most, however large the request was that emptied it.
_LONGEST_WAIT_SECONDS = _MINUTE
_COUNTER_SECONDS = 120
# Below this, a wait is a rounding error of the clock.
_NO_TIME = 1e-6
# A workspace may send this many times what one of its keys or members may send.
_OF_A_WORKSPACE = 10


def rate_storage(redis_url: str | None) -> Storage:
    """Redis at the URL, or memory. While Redis is unreachable, its methods raise limits.errors.StorageError."""
    if redis_url is None:
        return MemoryStorage()
    # Imported here, because the client loads all of OpenTelemetry.
    from redis.asyncio import BlockingConnectionPool

    # Requests wait for a free connection; the default pool raises an error if there is none.
    pool = BlockingConnectionPool.from_url(
        redis_url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_CONNECTION_SECONDS,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
    )
    return RedisStorage(
        f"async+{redis_url}",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=pool,  # type: ignore[arg-type]  # missing in limits' annotation, but documented
    )


class Buckets:
    """A token bucket for each key: it holds what a minute allows and fills at that rate.

    A request of any amount is taken while there is room for one; later ones wait until the bucket has room again.
    Taking costs the same for any amount and no round trip: `share` exchanges the amounts with other processes. For each
    key only the time is kept at which its bucket is full again.
    """

    def __init__(
        self,
        name: str,
        per_minute: int,
        shared: Storage | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_minute = per_minute
        self._name = name
        self._shared = shared
        self._clock = clock
        # Seconds in which one is filled up; 0 if there is no limit.
        self._each = _MINUTE / per_minute if per_minute else 0.0
        self._full_at: dict[Hashable, float] = {}
        # By key, what this process has taken and not shared; and the last value of the shared counter and its time.
        self._unshared: dict[Hashable, int] = {}
        self._known: dict[Hashable, tuple[int, float]] = {}

    def wait(self, key: Hashable) -> float:
        """Seconds until there is room for one; 0 if there is."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        wait = full_at - self._clock() + self._each - _MINUTE
        return wait if wait > _NO_TIME else 0.0

    def take(self, key: Hashable, amount: int = 1) -> None:
        """Takes an amount, whether there is room or not."""
        if self._each:
            self._empty(key, amount)
            if self._shared is not None:
                self._unshared[key] = self._unshared.get(key, 0) + amount

    def left(self, key: Hashable) -> tuple[int, float]:
        """What is left now, and the seconds until the bucket is full again."""
        now = self._clock()
        seconds = max(self._full_at.get(key, now) - now, 0.0)
        return max(0, int((_MINUTE - seconds + _NO_TIME) / self._each)), seconds

    async def share(self) -> None:
        """Forgets full buckets, and takes what other processes have taken since the last call.

        Raises StorageError; what was not shared is shared by the next call.
        """
        now = self._clock()
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        if self._shared is None:
            return
        # A counter begins again some time after its first amount, and has ended this long after its last one.
        self._known = {key: known for key, known in self._known.items() if known[1] > now - _COUNTER_SECONDS}
        for key in [*self._unshared]:
            amount = self._unshared[key]
            total = await self._shared.incr(f"{self._name}:{key}", _COUNTER_SECONDS, amount)
            self._unshared[key] -= amount
            if not self._unshared[key]:
                del self._unshared[key]
            known = self._known[key][0] if key in self._known else 0
            self._known[key] = total, now
            others = total - amount
            self._empty(key, others - known if others >= known else others)

    def _empty(self, key: Hashable, amount: int) -> None:
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + amount * self._each
        self._full_at[key] = min(full_at, now + _MINUTE + _LONGEST_WAIT_SECONDS)


@dataclass(frozen=True)
class RateLimits:
    """The limits of each class of requests.

    Requests are counted for each API key or address exactly, and for users and workspaces in buckets; what records
    calls, by events and bytes of the workspace; the guard, by requests of the workspace.
    """

    storage: Storage
    callers: RateLimitItem | None
    users: Buckets
    keys_of_workspaces: Buckets
    users_of_workspaces: Buckets
    events: Buckets
    bytes: Buckets
    guard: Buckets

    @classmethod
    def of(
        cls,
        storage: Storage,
        *,
        requests: int,
        user_requests: int,
        events: int,
        bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Limits per minute; 0 is unlimited."""

        def buckets(name: str, per_minute: int) -> Buckets:
            return Buckets(name, per_minute, None if isinstance(storage, MemoryStorage) else storage, clock)

        return cls(
            storage,
            RateLimitItemPerMinute(requests) if requests else None,
            users=buckets("user", user_requests),
            keys_of_workspaces=buckets("workspace-keys", _OF_A_WORKSPACE * requests),
            users_of_workspaces=buckets("workspace-users", _OF_A_WORKSPACE * user_requests),
            events=buckets("events", events),
            bytes=buckets("bytes", bytes),
            guard=buckets("guard", events),
        )

    async def share(self) -> bool:
        """Exchanges the counts with other processes. While that fails, this process counts for itself."""
        for buckets in (
            self.users,
            self.keys_of_workspaces,
            self.users_of_workspaces,
            self.events,
            self.bytes,
            self.guard,
        ):
            try:
                await buckets.share()
            except StorageError:
                return False
        return False
