"""The live engine: streams that report that a workspace has changed, but not what it holds now."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from database import Database
from engines.changes import Changes
from engines.identities import IdentityEngine
from engines.refusals import RefusalEngine
from schemas.identities import Identity
from schemas.live import Change, LiveMessage
from utils.errors import LLMLabError, TooManyRequests, Unavailable
from utils.time import now

# Shortest interval between two writes of changes, and between two messages of a stream.
_AT_MOST_EVERY_SECONDS = 0.2
# Waits before a retry after a failure of the database.
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
# Heartbeat interval of a stream; the caller's access is checked again with each.
_SIGN_OF_LIFE_SECONDS = 15.0
# Shortest interval between two checks of a caller's access.
_LOOK_AGAIN_SECONDS = 1.0
_MOST_STREAMS = 500
_MOST_STREAMS_OF_A_CALLER = 20
_MOST_STREAMS_OF_A_WORKSPACE = 200

log = logging.getLogger("llmlab.live")


class LiveEngine:
    """Announces changes of workspaces, and keeps the streams that watch them.

    The `changes` of this process are written to the database together, where every server process receives them.
    """

    def __init__(
        self, database: Database, identities: IdentityEngine, changes: Changes, refusals: RefusalEngine
    ) -> None:
        self._database = database
        self._identities = identities
        self.changes = changes
        self._refusals = refusals
        self._watches: dict[UUID, set[Watch]] = {}
        self._watched = asyncio.Event()
        self._closed = False
        self._stopping = asyncio.Event()

    async def watch(self, identity: Identity, token: str, last_version: int | None) -> "Watch":
        """A watch on the caller's workspace, from the version they know or from the current one.

        Raises TooManyRequests when the caller or the workspace, and Unavailable when the server, has the most streams
        allowed.
        """
        watches = [watch for watches in self._watches.values() for watch in watches]
        of_caller = sum(watch.actor_id == identity.actor_id for watch in watches)
        of_workspace = len(self._watches.get(identity.workspace_id, ()))
        for who, streams, most in (
            ("A caller", of_caller, _MOST_STREAMS_OF_A_CALLER),
            ("A workspace", of_workspace, _MOST_STREAMS_OF_A_WORKSPACE),
        ):
            if streams >= most:
                self._refusals.note(identity, "streams")
                detail = f"{who} can have at most {most} open streams; close one first"
                raise TooManyRequests("streams", detail, _SIGN_OF_LIFE_SECONDS)
        if self._closed or len(watches) >= _MOST_STREAMS:
            raise Unavailable("Too many open streams on this server; try again in a moment")

        async def look() -> None:
            await self._identities.identify(token, identity.workspace_id)

        watch = Watch(identity.actor_id, last_version, look, lambda: self._forget(identity.workspace_id, watch))
        self._watches.setdefault(identity.workspace_id, set()).add(watch)
        self._watched.set()
        try:
            for change in await self._database.changes_of([identity.workspace_id]):
                watch.notify(change)
        except BaseException:
            watch.close()
            raise
        return watch

    def look_again(self) -> None:
        """Has every stream check its caller's access again: access rights have changed."""
        for watches in self._watches.values():
            for watch in watches:
                watch.look_again()

    def close(self) -> None:
        """Ends all streams and refuses new ones."""
        self._closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.end()

    async def run(self) -> None:
        """Announces and receives changes until `stop` is called; then announces the rest."""
        hearing = asyncio.create_task(self._hear())
        await self._announce()
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing

    def stop(self) -> None:
        """Ends all streams, and `run`."""
        self.close()
        self._stopping.set()
        self.changes.wake()

    async def _announce(self) -> None:
        failures = _Failures("Publishing changes")
        stopping = False
        while not stopping:
            await self.changes.wait()
            stopping = self._stopping.is_set()
            changes = self.changes.take()
            try:
                if changes:
                    for change in await self._database.changes_note(changes, now()):
                        self._notify(change)
                failures.end()
                await self._rest(_AT_MOST_EVERY_SECONDS)
            except Exception as error:
                self.changes.put_back(changes)
                await self._rest(failures.add(error))

    async def _hear(self) -> None:
        failures = _Failures("Receiving changes")
        while True:
            await self._watched.wait()
            try:
                async with self._database.listening(self._notify) as pause:
                    while self._watches:
                        for change in await self._database.changes_of(self._watches):
                            self._notify(change)
                        failures.end()
                        await pause()
            except Exception as error:
                await self._rest(failures.add(error))

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _notify(self, change: Change) -> None:
        for watch in self._watches.get(change.workspace_id, ()):
            watch.notify(change)

    def _forget(self, workspace_id: UUID, watch: "Watch") -> None:
        watches = self._watches.get(workspace_id, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(workspace_id, None)
        if not self._watches:
            self._watched.clear()


class Watch:
    """One caller's watch on their workspace.

    It keeps the newest change, which has the last version of each kind: a slow reader gets fewer messages and misses
    nothing.
    """

    def __init__(
        self,
        actor_id: UUID,
        last_version: int | None,
        look: Callable[[], Awaitable[None]],
        closed: Callable[[], None],
    ) -> None:
        self.actor_id = actor_id
        self._known = last_version
        self._look = look
        self._closed = closed
        self._newest: Change | None = None
        self._woken = asyncio.Event()
        self._ended = False
        self._looked_at = asyncio.get_running_loop().time()
        self._look_at = self._looked_at + _SIGN_OF_LIFE_SECONDS

    def notify(self, change: Change) -> None:
        """Takes a change if it is newer than the one known."""
        newest = self._newest
        # A database that was restored from a backup counts from a lower number on.
        if newest is None or change.version > newest.version or change.changed_at > newest.changed_at:
            self._newest = change
            self._woken.set()

    def look_again(self) -> None:
        """Checks the caller's access again, at most once a second."""
        self._look_at = min(self._look_at, self._looked_at + _LOOK_AGAIN_SECONDS)
        self._woken.set()

    def end(self) -> None:
        """Ends `messages`."""
        self._ended = True
        self._woken.set()

    def close(self) -> None:
        """Must be called when `messages` is not read any more."""
        self._closed()

    async def messages(self, limit: int | None = None) -> AsyncIterator[LiveMessage | None]:
        """Yields messages until `limit` is reached or the caller loses access; None is a heartbeat."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        count = 0
        while not self._ended and count != limit:
            self._woken.clear()
            time = loop.time()
            news = self._news()
            if time >= self._look_at:
                if not await self._may_watch():
                    return
                self._looked_at = time
                self._look_at = time + _SIGN_OF_LIFE_SECONDS
                yield None
            elif news is not None and time >= next_at:
                self._known = news.version
                next_at = time + _AT_MOST_EVERY_SECONDS
                count += 1
                yield news
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._look_at if news is None else min(self._look_at, next_at)):
                        await self._woken.wait()

    def _news(self) -> LiveMessage | None:
        newest = self._newest
        if newest is None or newest.version == self._known:
            return None
        if self._known is None or self._known > newest.version:
            return LiveMessage("hello", newest.version, newest.changed_at, [])
        what = sorted(kind for kind, version in newest.kinds.items() if version > self._known)
        return LiveMessage("change", newest.version, newest.changed_at, what)

    async def _may_watch(self) -> bool:
        try:
            await self._look()
        except Unavailable:
            return True
        except LLMLabError:
            return False
        return True


class _Failures:
    """Logs the first of several failures in a row, and gives the wait after each."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._wait = _FIRST_WAIT_SECONDS

    def add(self, error: Exception) -> float:
        """The seconds to wait after this failure."""
        wait = self._wait
        if wait == _FIRST_WAIT_SECONDS:
            if isinstance(error, Unavailable):
                log.warning("%s: paused: %s", self._what, error.detail)
            else:
                log.error("%s: failed, retrying", self._what, exc_info=error)
        self._wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        return wait

    def end(self) -> None:
        """Ends a row of failures."""
        self._wait = _FIRST_WAIT_SECONDS
