"""Waiting for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.support.product import PATIENCE


async def until(happened: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Waits until the condition holds, and fails after a timeout."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = happened()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")
