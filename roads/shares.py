"""Shares of the connections, so that the slow reads of one workspace leave some for the others."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from roads.road import RECORDING
from utils.errors import Unavailable

_WAIT_SECONDS = 10


class Shares:
    """The number of calls that one workspace may have in progress, `most`; further ones wait for their turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        # A share exists while a call uses it or waits for it.
        self._shares: WeakValueDictionary[Any, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, function: str, parameters: Mapping[str, Any]) -> AsyncIterator[None]:
        """Waits for a turn to call a function. Raises Unavailable if none comes in time."""
        workspace_id = parameters.get("p_workspace_id")
        if workspace_id is None or function in RECORDING:
            yield
            return
        share = self._shares.get(workspace_id)
        if share is None:
            share = self._shares[workspace_id] = asyncio.Semaphore(self._most)
        try:
            async with asyncio.timeout(_WAIT_SECONDS if share.locked() else None):
                await share.acquire()
        except TimeoutError:
            raise Unavailable("Other requests of this workspace take too long; try again in a moment") from None
        try:
            yield
        finally:
            share.release()
