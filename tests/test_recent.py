"""The cache of recent lookups."""

import asyncio

import pytest

from utils.recent import Recent

SECONDS = 10.0


async def turns() -> None:
    """Lets every ready task run."""
    for _ in range(5):
        await asyncio.sleep(0)


class Source:
    """Returns the number of lookups so far, once `open` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None
        self.seconds = 1000.0

    def clock(self) -> float:
        return self.seconds

    async def later(self, seconds: float) -> None:
        """Moves the clock, and lets started tasks continue."""
        self.seconds += seconds
        await turns()

    async def load(self, key: str) -> str:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return f"{key}{number}"


async def test_concurrent_requests_share_one_lookup() -> None:
    source = Source()
    recent = Recent(source.load, seconds=SECONDS, clock=source.clock)
    assert await asyncio.gather(*(recent.get("a") for _ in range(5))) == ["a1"] * 5
    assert await recent.get("a") == "a1"
    assert await recent.get("b") == "b2"


async def test_a_stale_value_is_returned_during_its_refresh_until_it_expires() -> None:
    source = Source()
    recent = Recent(source.load, seconds=SECONDS, clock=source.clock)
    assert await recent.get("a") == "a1"
    await source.later(SECONDS * 0.6)
    source.open.clear()
    assert await recent.get("a") == "a1"
    await source.later(SECONDS * 0.45)
    assert source.asked == 2
    waiting = asyncio.create_task(recent.get("a"))
    await turns()
    assert not waiting.done()
    source.open.set()
    assert await waiting == f"a{source.asked}"


async def test_frequent_requests_wait_only_for_the_first_lookup() -> None:
    source = Source()
    recent = Recent(source.load, seconds=SECONDS, clock=source.clock)
    await recent.get("a")
    answers = set()
    for _ in range(40):
        # One turn of the loop is enough for a cached answer.
        asking = asyncio.create_task(recent.get("a"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asking.done()
        answers.add(asking.result())
        await source.later(SECONDS / 20)
    assert len(answers) > 2


async def test_a_forgotten_value_is_looked_up_again() -> None:
    source = Source()
    recent = Recent(source.load, seconds=SECONDS, clock=source.clock)
    assert await recent.get("a") == "a1"
    recent.forget()
    assert await recent.get("a") == "a2"
    await source.later(SECONDS * 0.6)
    source.open.clear()
    assert await recent.get("a") == "a2"
    recent.forget()
    waiting = asyncio.create_task(recent.get("a"))
    await turns()
    assert not waiting.done()
    source.open.set()
    await waiting


async def test_an_error_reaches_every_waiting_request_and_is_not_cached() -> None:
    source = Source()
    recent = Recent(source.load, seconds=SECONDS, clock=source.clock)
    assert await recent.get("a") == "a1"
    source.error = LookupError("gone")
    await source.later(SECONDS * 0.6)
    assert await recent.get("a") == "a1"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(LookupError, match="gone"):
        await recent.get("a")
    source.error = None
    await source.later(SECONDS * 1.1)
    assert (await recent.get("a")).startswith("a")
