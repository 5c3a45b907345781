"""Group commit: items that arrive during a write are written together by the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from utils.errors import LLMLabError, Unavailable

# Minimum size of the waiting items to start a second concurrent write.
_SECOND_WRITER_SIZE = 250
# Turns of the event loop without a further item, after which a write begins. With fewer, the first caller that a write
# has answered starts the next one alone, and all others wait for it.
_QUIET_TURNS = 4

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Key, Item, Result]):
    """Collects the items of concurrent callers by key and writes them in few calls.

    `write(key, items)` stores the items of one key durably and returns one result per item, in order. Each key has one
    write in progress, or two when many items wait, so that one batch is sent while the other is stored. There is no
    timer: an item is written within a few turns of the event loop if its key has no write in progress.
    """

    def __init__(
        self,
        write: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        size_of: Callable[[Item], int] = lambda _: 1,
        max_batch: int = 1_000,
        max_waiting: int = 50_000,
    ) -> None:
        """`max_batch` and `max_waiting` limit the sum of the sizes of items."""
        self._write = write
        self._size_of = size_of
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting = 0
        self._waiting_size = 0
        self._queues: dict[Key, _Queue[Item, Result]] = {}
        self._writers: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """The number of items accepted and not yet written."""
        return self._waiting

    async def put(self, key: Key, items: Sequence[Item]) -> Sequence[Result]:
        """Returns when the items are committed. Raises Unavailable, without storing them, if too many are waiting."""
        size = sum(map(self._size_of, items))
        if self._waiting_size + size > self._max_waiting:
            raise Unavailable("The database cannot keep up with incoming events; try again in a moment")
        done: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting += len(items)
        self._waiting_size += size
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue()
        queue.requests.append(_Request(items, size, done))
        queue.size += size
        if queue.writers == 0 or (queue.writers == 1 and queue.size >= _SECOND_WRITER_SIZE):
            queue.writers += 1
            writer = asyncio.create_task(self._drain(key, queue))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await done

    async def close(self) -> None:
        """Waits until all accepted items are written."""
        while pending := [writer for writer in self._writers if not writer.done()]:
            await asyncio.wait(pending)

    async def _drain(self, key: Key, queue: "_Queue[Item, Result]") -> None:
        await self._gather(queue)
        while queue.requests:
            requests = [queue.requests.popleft()]
            size = requests[0].size
            while queue.requests and size + queue.requests[0].size <= self._max_batch:
                size += queue.requests[0].size
                requests.append(queue.requests.popleft())
            queue.size -= size
            await self._commit(key, requests)
            self._waiting -= sum(len(request.items) for request in requests)
            self._waiting_size -= size
            # Many waiting items are written first: the database works on them while answers are sent.
            if queue.size < size:
                await self._gather(queue)
        queue.writers -= 1
        if queue.writers == 0:
            del self._queues[key]

    async def _gather(self, queue: "_Queue[Item, Result]") -> None:
        """Lets callers join whose requests have already arrived: those that a write has just answered, above all."""
        quiet = 0
        while quiet < _QUIET_TURNS and queue.size < self._max_batch:
            size = queue.size
            await asyncio.sleep(0)
            quiet = quiet + 1 if queue.size == size else 0

    async def _commit(self, key: Key, requests: "list[_Request[Item, Result]]") -> None:
        try:
            results = await self._write(key, [item for request in requests for item in request.items])
        except Exception as error:
            if len(requests) > 1 and not isinstance(error, LLMLabError):
                # The items of one caller may cause the error; retry each caller's items on their own.
                for request in requests:
                    await self._commit(key, [request])
                return
            for request in requests:
                if not request.done.done():
                    request.done.set_exception(error)
            return
        position = 0
        for request in requests:
            if not request.done.done():
                request.done.set_result(results[position : position + len(request.items)])
            position += len(request.items)


class _Request(NamedTuple, Generic[Item, Result]):
    """The items of one caller, the sum of their sizes, and the future of their results."""

    items: Sequence[Item]
    size: int
    done: "asyncio.Future[Sequence[Result]]"


class _Queue(Generic[Item, Result]):
    """The waiting requests of one key, the sum of their sizes, and the number of active writers."""

    def __init__(self) -> None:
        self.requests: deque[_Request[Item, Result]] = deque()
        self.size = 0
        self.writers = 0
