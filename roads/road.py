"""What all roads to the database have in common."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from utils.errors import Conflict, Forbidden, LLMLabError, NotFound, Unavailable

# SQLSTATEs by which a function refuses. The error's message is sent to the caller.
REFUSALS: dict[str, type[LLMLabError]] = {"PT403": Forbidden, "PT404": NotFound, "PT409": Conflict}
# What recording an event needs: its sender, the terms of the workspace, reservations, and a project that is new. These
# functions never wait for reports.
RECORDING = frozenset(
    {
        "api_key_use",
        "budgets_of_call",
        "correct_events",
        "project_create",
        "record_events",
        "record_spans",
        "reservation_release",
        "reserve",
        "session_use",
        "workspace_terms",
    }
)
# Interval of polling on a road that cannot listen.
_POLLING_SECONDS = 0.5

# SQLSTATEs of statements that changed nothing, because they waited for another one in a circle or were overtaken by it.
OVERTAKEN = frozenset({"40001", "40P01"})
_TRIES = 5
_LONGEST_BREAK_SECONDS = 0.05

Pause = Callable[[], Awaitable[None]]


class Overtaken(Exception):
    """A statement changed nothing because of another one, and can be repeated."""


async def repeated(call: Callable[[], Awaitable[Any]]) -> Any:
    """The answer of a call, which is repeated while others overtake it. Raises Unavailable after five tries."""
    for _ in range(_TRIES):
        try:
            return await call()
        except Overtaken:
            await asyncio.sleep(random.uniform(0, _LONGEST_BREAK_SECONDS))  # noqa: S311
    raise Unavailable


class Road(Protocol):
    """A way to call SQL functions."""

    async def call(self, function: str, parameters: Mapping[str, Any]) -> Any:
        """The function's answer as plain Python values.

        Raises Unavailable when the database cannot be reached, TooSlow when the time limit of the function is over, and
        Forbidden, NotFound or Conflict when it refuses.
        """

    def listening(self, channel: str, on_notification: Callable[[str], None]) -> AbstractAsyncContextManager[Pause]:
        """Calls `on_notification` with each notification on a channel, if this road can listen.

        Yields a coroutine that returns when the next catch-up query is due, and raises Unavailable when listening has
        ended.
        """

    def connections(self) -> dict[str, int]:
        """The number of connections to Postgres that are `in_use` and `idle`; empty if this road has none."""

    async def close(self) -> None:
        """Closes the connections."""


async def polling() -> None:
    """The pause of a road that cannot listen."""
    await asyncio.sleep(_POLLING_SECONDS)
