"""Group commit: what arrives while a write is under way goes out together with the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from utils.errors import LLMLabError, Unavailable

# So many items are worth a second write beside the one that is under way.
_MANY_ITEMS = 250

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Key, Item, Result]):
    """Gathers the items of concurrent callers by key and writes them in as few calls as the writer allows.

    `write(key, items)` stores the items of one key durably and answers with one result per item, in order. One write
    per key is under way, or two when much is waiting: then one set of items can be sent while the other is stored.
    Nothing waits for a timer: an item that finds its key idle is written at once.
    """

    def __init__(
        self,
        write: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_batch: int = 1_000,
        max_waiting: int = 50_000,
    ) -> None:
        self._write = write
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting = 0
        self._queues: dict[Key, _Queue[Item, Result]] = {}
        self._writers: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many items are accepted and not yet written."""
        return self._waiting

    async def put(self, key: Key, items: Sequence[Item]) -> Sequence[Result]:
        """Returns when the items are committed. Raises Unavailable, storing nothing, while too many are waiting."""
        if self._waiting + len(items) > self._max_waiting:
            raise Unavailable("More events are arriving than the database can store; try again in a moment")
        done: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting += len(items)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue()
        queue.requests.append((items, done))
        queue.items += len(items)
        if queue.writers == 0 or (queue.writers == 1 and queue.items >= _MANY_ITEMS):
            queue.writers += 1
            writer = asyncio.create_task(self._drain(key, queue))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await done

    async def close(self) -> None:
        """Returns when everything accepted has been written."""
        while pending := [writer for writer in self._writers if not writer.done()]:
            await asyncio.wait(pending)

    async def _drain(self, key: Key, queue: "_Queue[Item, Result]") -> None:
        # Lets in what has arrived by now and only waits for its turn.
        await asyncio.sleep(0)
        while queue.requests:
            requests = [queue.requests.popleft()]
            size = len(requests[0][0])
            while queue.requests and size + len(queue.requests[0][0]) <= self._max_batch:
                size += len(queue.requests[0][0])
                requests.append(queue.requests.popleft())
            queue.items -= size
            await self._commit(key, requests)
            self._waiting -= size
            # What waits goes out first: the database works on it while the answers are sent.
            if not queue.requests:
                await asyncio.sleep(0)
        queue.writers -= 1
        if queue.writers == 0:
            del self._queues[key]

    async def _commit(self, key: Key, requests: list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]]) -> None:
        try:
            results = await self._write(key, [item for items, _ in requests for item in items])
        except Exception as error:
            if len(requests) > 1 and not isinstance(error, LLMLabError):
                # What one caller sent may be what the database refuses: the others must not pay for it.
                for request in requests:
                    await self._commit(key, [request])
                return
            for _, done in requests:
                if not done.done():
                    done.set_exception(error)
            return
        position = 0
        for items, done in requests:
            if not done.done():
                done.set_result(results[position : position + len(items)])
            position += len(items)


class _Queue(Generic[Item, Result]):
    """What waits to be written for one key, how many items that is, and how many writers are at it."""

    def __init__(self) -> None:
        self.requests: deque[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]] = deque()
        self.items = 0
        self.writers = 0
