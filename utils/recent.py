"""A cache of recent lookups, so that a busy caller does not cause one with every request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Answers of `load(key)`, each for at most `seconds`; concurrent callers share one lookup.

    A change is seen after that time at the latest, and at once after `forget`. A caller who asks again and again waits
    for the first lookup only: at half its age an answer is looked up again, and is used until the new one is there.
    For pure functions, use `functools.lru_cache`.
    """

    def __init__(
        self,
        load: Callable[[Key], Awaitable[Value]],
        *,
        seconds: float = 1.0,
        most: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._clock = clock
        self._half = seconds / 2
        self._most = most
        self._lookups: dict[Key, asyncio.Task[Value]] = {}
        self._earlier: dict[Key, asyncio.Task[Value]] = {}
        # Until when these are taken for new, and those are taken at all.
        self._until = self._earlier_until = 0.0

    async def get(self, key: Key) -> Value:
        """The answer for a key. Raises what the lookup raises."""
        moment = self._clock()
        if moment > self._until or len(self._lookups) > self._most:
            self._earlier, self._lookups = self._lookups, {}
            self._earlier_until, self._until = self._until + self._half, moment + self._half
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(key))
            lookup.add_done_callback(_hear)
        if lookup.done():
            return lookup.result()
        earlier = self._earlier.get(key) if moment <= self._earlier_until else None
        if earlier is not None and earlier.done() and earlier.exception() is None:
            return earlier.result()
        # Shielded: the answer belongs to every caller that waits for it, not to the one that asked first.
        return await asyncio.shield(lookup)

    def forget(self) -> None:
        """Everything is looked up anew."""
        self._lookups.clear()
        self._earlier.clear()

    async def _look_up(self, key: Key) -> Value:
        return await self._load(key)


def _hear(lookup: "asyncio.Task[Any]") -> None:
    """An error is for whoever asks next; asyncio need not complain that nobody has."""
    if not lookup.cancelled():
        lookup.exception()
