"""Live updates: those who watch a workspace are told that it has changed, and not what it holds now."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from database import Database
from schemas.identities import Identity
from schemas.live import Change, ChangeKind, LiveMessage
from utils.errors import LLMLabError, TooManyRequests, Unavailable
from utils.time import now

# Changes are written down, and a stream is told of them, at most so often.
_AT_MOST_EVERY_SECONDS = 0.2
# Before trying again what the database could not do.
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
# So often a stream says that it is still there, and looks whether its caller still may watch.
_SIGN_OF_LIFE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 1.0
_MOST_STREAMS = 500
_MOST_STREAMS_OF_A_CALLER = 20

Identify = Callable[[str, UUID | None], Awaitable[Identity]]

log = logging.getLogger("llmlab.live")


class LiveEngine:
    """Counts the changes of each workspace, and tells those who watch one.

    Whoever changes something calls `changed`, which only remembers it; what was remembered is written down together,
    and from there all server processes hear of it.
    """

    def __init__(self, database: Database, identify: Identify) -> None:
        self._database = database
        self._identify = identify
        self._remembered: set[tuple[UUID, ChangeKind]] = set()
        self._something = asyncio.Event()
        self._watches: dict[UUID, set[Watch]] = {}
        self._somebody = asyncio.Event()
        self._closed = False
        self._stopping = asyncio.Event()

    def changed(self, workspace_id: UUID, kind: ChangeKind) -> None:
        """Remembers that something has changed and is committed."""
        self._remembered.add((workspace_id, kind))
        self._something.set()

    async def watch(self, identity: Identity, token: str, last_version: int | None) -> "Watch":
        """A view of the caller's workspace, from the version they know or from the present one.

        Raises TooManyRequests and Unavailable when there are as many as may be.
        """
        watches = [watch for watches in self._watches.values() for watch in watches]
        if sum(watch.actor_id == identity.actor_id for watch in watches) >= _MOST_STREAMS_OF_A_CALLER:
            detail = f"A caller has at most {_MOST_STREAMS_OF_A_CALLER} streams at a time; close one of them"
            raise TooManyRequests(int(_SIGN_OF_LIFE_SECONDS), detail)
        if self._closed or len(watches) >= _MOST_STREAMS:
            raise Unavailable("The server can take no more streams; try again in a moment")

        async def look() -> None:
            await self._identify(token, identity.workspace_id)

        watch = Watch(identity.actor_id, last_version, look, lambda: self._forget(identity.workspace_id, watch))
        self._watches.setdefault(identity.workspace_id, set()).add(watch)
        self._somebody.set()
        try:
            for change in await self._database.changes_of([identity.workspace_id]):
                watch.tell(change)
        except BaseException:
            watch.close()
            raise
        return watch

    def look_again(self) -> None:
        """Every stream looks whether its caller still may watch: somebody's rights have changed."""
        for watches in self._watches.values():
            for watch in watches:
                watch.look_again()

    def close(self) -> None:
        """Ends all streams, and lets nobody begin another one."""
        self._closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.end()

    async def run(self) -> None:
        """Writes changes down and hears of them until `stop` is called, and then what is still remembered."""
        hearing = asyncio.create_task(self._hear())
        await self._note()
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing

    def stop(self) -> None:
        """Ends all streams, and `run`."""
        self.close()
        self._stopping.set()
        self._something.set()

    async def _note(self) -> None:
        failures = _Failures("Changes are not counted")
        stopping = False
        while not stopping:
            await self._something.wait()
            stopping = self._stopping.is_set()
            self._something.clear()
            changes, self._remembered = self._remembered, set()
            try:
                if changes:
                    for change in await self._database.changes_note(changes, now()):
                        self._tell(change)
                failures.end()
                await self._rest(_AT_MOST_EVERY_SECONDS)
            except Exception as error:
                self._remembered |= changes
                self._something.set()
                await self._rest(failures.add(error))

    async def _hear(self) -> None:
        failures = _Failures("Changes are not heard")
        while True:
            await self._somebody.wait()
            try:
                async with self._database.listening(self._tell) as pause:
                    while self._watches:
                        for change in await self._database.changes_of(self._watches):
                            self._tell(change)
                        failures.end()
                        await pause()
            except Exception as error:
                await self._rest(failures.add(error))

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _tell(self, change: Change) -> None:
        for watch in self._watches.get(change.workspace_id, ()):
            watch.tell(change)

    def _forget(self, workspace_id: UUID, watch: "Watch") -> None:
        watches = self._watches.get(workspace_id, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(workspace_id, None)
        if not self._watches:
            self._somebody.clear()


class Watch:
    """One caller's view of their workspace.

    Of all changes it keeps the newest, which says of each kind when it last changed: whoever reads slowly is told less
    often and misses nothing.
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

    def tell(self, change: Change) -> None:
        """Takes note of a change if it is news."""
        newest = self._newest
        # A database that was restored from a backup counts from a lower number on.
        if newest is None or change.version > newest.version or change.changed_at > newest.changed_at:
            self._newest = change
            self._woken.set()

    def look_again(self) -> None:
        """Looks whether the caller still may watch, but for that at most once a second."""
        self._look_at = min(self._look_at, self._looked_at + _LOOK_AGAIN_SECONDS)
        self._woken.set()

    def end(self) -> None:
        """Ends `messages`."""
        self._ended = True
        self._woken.set()

    def close(self) -> None:
        """Must be called when nobody reads `messages` any more."""
        self._closed()

    async def messages(self, limit: int | None = None) -> AsyncIterator[LiveMessage | None]:
        """What there is to tell, until that was so much or the caller may watch no longer; None is a sign of life."""
        loop = asyncio.get_running_loop()
        tell_at = loop.time()
        told = 0
        while not self._ended and told != limit:
            self._woken.clear()
            time = loop.time()
            news = self._news()
            if time >= self._look_at:
                if not await self._may_watch():
                    return
                self._looked_at = time
                self._look_at = time + _SIGN_OF_LIFE_SECONDS
                yield None
            elif news is not None and time >= tell_at:
                self._known = news.version
                tell_at = time + _AT_MOST_EVERY_SECONDS
                told += 1
                yield news
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._look_at if news is None else min(self._look_at, tell_at)):
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
    """Logs the first of several failures in a row, and says how long to wait after each."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._wait = _FIRST_WAIT_SECONDS

    def add(self, error: Exception) -> float:
        """How many seconds to wait after this one."""
        wait = self._wait
        if wait == _FIRST_WAIT_SECONDS:
            if isinstance(error, Unavailable):
                log.warning("%s: %s", self._what, error.detail)
            else:
                log.error("%s for what went wrong", self._what, exc_info=error)
        self._wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        return wait

    def end(self) -> None:
        """It works again."""
        self._wait = _FIRST_WAIT_SECONDS
