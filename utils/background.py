"""Background jobs of the server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from utils.errors import Unavailable

log = logging.getLogger("llmlab.background")


class Background:
    """Runs a job repeatedly. `work()` does one piece and returns whether there may be more to do at once.

    The job goes on after an error. Repeated errors are logged only once.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]], every_seconds: float) -> None:
        self._name = name
        self._work = work
        self.every_seconds = every_seconds
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Runs until `stop` is called, and waits `every_seconds` when there is no more to do."""
        failing = False
        while not self._stopping.is_set():
            more = False
            try:
                more = await self._work()
                failing = False
            except Exception as error:
                if not failing:
                    if isinstance(error, Unavailable):
                        log.warning("%s: paused: %s", self._name, error.detail)
                    else:
                        log.exception("%s: failed, retrying", self._name)
                failing = True
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self.every_seconds)

    def stop(self) -> None:
        """Ends `run` after the current piece of work."""
        self._stopping.set()
