"""A short-lived cache for lookups that many requests repeat."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Caches the results of `load(key)` for at most `seconds`. Concurrent calls share one lookup.

    A change is visible after that time, or at once after `forget`. A result is refreshed after half its lifetime while
    the old one is still returned, so only the first call waits.
    For pure functions, use `functools.lru_cache`.
    """

    def __init__(
        self,
        load: Callable[[Key], Awaitable[Value]],
        *,
        seconds: float = 1.0,
        max_keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._clock = clock
        self._half = seconds / 2
        self._max_keys = max_keys
        self._lookups: dict[Key, asyncio.Task[Value]] = {}
        self._earlier: dict[Key, asyncio.Task[Value]] = {}
        # The time until which the current generation is fresh, and the earlier one is usable.
        self._until = self._earlier_until = 0.0

    async def get(self, key: Key) -> Value:
        """The value for a key. Raises the exceptions of the lookup."""
        moment = self._clock()
        if moment > self._until or len(self._lookups) > self._max_keys:
            self._earlier, self._lookups = self._lookups, {}
            self._earlier_until, self._until = self._until + self._half, moment + self._half
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(key))
            lookup.add_done_callback(_retrieve_error)
        if lookup.done():
            return lookup.result()
        earlier = self._earlier.get(key) if moment <= self._earlier_until else None
        if earlier is not None and earlier.done() and earlier.exception() is None:
            return earlier.result()
        # Shielded, because the cancellation of one caller must not cancel the lookup for the others.
        return await asyncio.shield(lookup)

    def forget(self) -> None:
        """Clears the cache."""
        self._lookups.clear()
        self._earlier.clear()

    async def _look_up(self, key: Key) -> Value:
        return await self._load(key)


def _retrieve_error(lookup: "asyncio.Task[Any]") -> None:
    """Marks the exception as retrieved, so that asyncio does not log it if no caller is left."""
    if not lookup.cancelled():
        lookup.exception()
