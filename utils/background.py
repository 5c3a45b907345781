"""Work that a server does by itself beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from utils.errors import Unavailable

log = logging.getLogger("llmlab.background")


class Background:
    """Does a piece of work again and again: `work()` does some and says whether there may be more at once.

    A database that is away is waited for, and what goes wrong is logged once, not with every try.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]], every_seconds: float) -> None:
        self._name = name
        self._work = work
        self.every_seconds = every_seconds
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Works, and rests for `every_seconds` when there is nothing to do, until `stop` is called."""
        away = False
        while not self._stopping.is_set():
            more = False
            try:
                more = await self._work()
                away = False
            except Exception as error:
                if not away:
                    if isinstance(error, Unavailable):
                        log.warning("%s wait: %s", self._name, error.detail)
                    else:
                        log.exception("%s wait for what went wrong", self._name)
                away = True
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self.every_seconds)

    def stop(self) -> None:
        """Lets `run` end once the work under way is done."""
        self._stopping.set()
