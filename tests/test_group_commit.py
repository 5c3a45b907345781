"""Group commit: items are collected during a write, answered after the commit, each to its caller."""

import asyncio
from collections.abc import Sequence

import pytest

from utils.errors import Unavailable
from utils.group_commit import GroupCommit


class Writer:
    """Records every write, and waits in each until `go` is released."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, list[int]]] = []
        self.go = asyncio.Semaphore(0)

    async def __call__(self, key: str, items: Sequence[int]) -> list[int]:
        self.writes.append((key, list(items)))
        await self.go.acquire()
        if 13 in items:
            raise ValueError("13")
        if 503 in items:
            raise Unavailable
        return [item * 10 for item in items]


async def settled() -> None:
    """Returns when every task waits for something."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_items_that_arrive_during_a_write_go_into_the_next() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    tasks = [asyncio.create_task(group.put("w", [1]))]
    await settled()
    tasks += [asyncio.create_task(group.put("w", [item, item + 1])) for item in range(20, 60, 2)]
    await settled()
    assert writer.writes == [("w", [1])]
    for _ in tasks:
        writer.go.release()
    answers = await asyncio.gather(*tasks)
    assert answers == [[10], *([item * 10, item * 10 + 10] for item in range(20, 60, 2))]
    assert writer.writes == [("w", [1]), ("w", [*range(20, 60)])]


async def test_large_items_are_written_apart() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer, size_of=lambda item: item, max_batch=100, max_waiting=300)
    tasks = [asyncio.create_task(group.put("w", items)) for items in ([60], [30, 30], [40], [120], [1])]
    for _ in tasks:
        writer.go.release()
    await asyncio.sleep(0)
    assert group.waiting == 6
    with pytest.raises(Unavailable):
        await group.put("w", [20])
    assert await asyncio.gather(*tasks) == [[600], [300, 300], [400], [1200], [10]]
    assert [items for _, items in writer.writes] == [[60], [30, 30, 40], [120], [1]]
    assert group.waiting == 0


async def test_callers_that_a_write_has_answered_join_the_next_one_together() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)

    async def caller(number: int) -> None:
        for _ in range(5):
            # The answers leave, and the next requests arrive, one after the other.
            for _ in range(3 * number):
                await asyncio.sleep(0)
            await group.put("w", [number + 20])

    for _ in range(100):
        writer.go.release()
    await asyncio.gather(*(caller(number) for number in range(16)))
    assert [len(items) for _, items in writer.writes] == [16] * 5


async def test_the_next_write_starts_before_the_last_one_is_answered() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    written_before: list[int] = []

    async def caller(item: int) -> None:
        await group.put("w", [item])
        written_before.append(len(writer.writes))

    tasks = [asyncio.create_task(caller(1))]
    await settled()
    tasks.append(asyncio.create_task(caller(2)))
    await settled()
    for _ in tasks:
        writer.go.release()
    await asyncio.gather(*tasks)
    assert written_before == [2, 2]


async def test_a_long_queue_is_written_in_parallel() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    tasks = [asyncio.create_task(group.put("w", [1]))]
    await settled()
    for size in (249, 1, 300):
        tasks.append(asyncio.create_task(group.put("w", [0] * size)))
        await settled()
    # Two writes, and never a third.
    assert [len(items) for _, items in writer.writes] == [1, 250]
    for _ in range(3):
        writer.go.release()
    assert [len(answer) for answer in await asyncio.gather(*tasks)] == [1, 249, 1, 300]
    assert [len(items) for _, items in writer.writes] == [1, 250, 300]


async def test_keys_do_not_wait_for_each_other() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    tasks = [asyncio.create_task(group.put(key, [1])) for key in "ab"]
    await settled()
    assert [key for key, _ in writer.writes] == ["a", "b"]
    for _ in tasks:
        writer.go.release()
    await asyncio.gather(*tasks)


async def test_the_size_of_a_batch_is_limited() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer, max_batch=3)
    tasks = [asyncio.create_task(group.put("w", [item])) for item in range(6)]
    for _ in range(6):
        writer.go.release()
    await asyncio.gather(*tasks)
    assert [len(items) for _, items in writer.writes] == [3, 3]


async def test_a_full_queue_refuses_items_until_it_has_room() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer, max_waiting=4)
    first = asyncio.create_task(group.put("w", [1, 2, 3]))
    await settled()
    with pytest.raises(Unavailable):
        await group.put("w", [4, 5])
    writer.go.release()
    assert await first == [10, 20, 30]
    writer.go.release()
    assert await group.put("w", [4, 5]) == [40, 50]


async def test_a_bad_item_fails_only_for_its_caller() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    tasks = [asyncio.create_task(group.put("w", [1]))]
    await settled()
    tasks += [asyncio.create_task(group.put("w", [item])) for item in (2, 13, 4)]
    for _ in range(5):
        writer.go.release()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answers[0], answers[1], answers[3]] == [[10], [20], [40]]
    assert isinstance(answers[2], ValueError)


async def test_an_unavailable_database_fails_every_waiting_caller_once() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    tasks = [asyncio.create_task(group.put("w", [item])) for item in (503, 1)]
    writer.go.release()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert len(writer.writes) == 1


async def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    tasks = [asyncio.create_task(group.put("w", [item])) for item in (1, 2)]
    await settled()
    tasks[0].cancel()
    writer.go.release()
    writer.go.release()
    assert await tasks[1] == [20]
    await group.close()


async def test_closing_waits_for_accepted_items() -> None:
    writer = Writer()
    group: GroupCommit[str, int, int] = GroupCommit(writer)
    task = asyncio.create_task(group.put("w", [1]))
    await settled()
    closing = asyncio.create_task(group.close())
    await settled()
    assert not closing.done()
    writer.go.release()
    await closing
    assert await task == [10]


async def test_closing_after_a_writer_has_just_ended_returns() -> None:
    group: GroupCommit[str, int, int] = GroupCommit(Writer())
    ended = asyncio.create_task(asyncio.sleep(0))
    await ended
    # The task has ended and is still in the set, as before its callbacks run.
    group._writers.add(ended)
    await group.close()
