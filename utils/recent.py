"""What was looked up a moment ago, so that a busy caller does not ask for it with every request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Answers of `load(key)`, each for at most so many seconds; those who ask at the same time share one lookup.

    What changes is seen after that time at the latest, and at once by whoever calls `forget`.
    """

    def __init__(self, load: Callable[[Key], Awaitable[Value]], *, seconds: float = 1.0, most: int = 10_000) -> None:
        self._load = load
        self._seconds = seconds
        self._most = most
        self._lookups: dict[Key, asyncio.Task[Value]] = {}
        self._until = 0.0

    async def get(self, key: Key) -> Value:
        """The answer for a key. Raises what the lookup raises."""
        moment = time.monotonic()
        if moment > self._until or len(self._lookups) > self._most:
            self.forget()
            self._until = moment + self._seconds
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(key))
            self._lookups[key] = lookup
        if lookup.done():
            return lookup.result()
        # Shielded: the answer belongs to every caller that waits for it, not to the one that asked first.
        return await asyncio.shield(lookup)

    def forget(self) -> None:
        """Everything is looked up anew."""
        self._lookups.clear()

    async def _look_up(self, key: Key) -> Value:
        return await self._load(key)
