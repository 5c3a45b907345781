"""What the process is told from outside."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_to_stop(call: Callable[[], None]) -> Iterator[None]:
    """Calls this in the event loop as soon as the process is told to stop, beside whoever else handles that.

    The web server waits for the answers under way before it ends the application, so an answer without an end must
    hear of it from here. Outside the main thread nobody is told.
    """
    loop = asyncio.get_running_loop()
    others = {}
    if threading.current_thread() is threading.main_thread():
        others = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        other = others[signal.Signals(number)]
        assert callable(other)
        other(number, frame)

    # Where nobody handles it, the signal ends the process, and so it should.
    handled = [number for number, other in others.items() if callable(other)]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, others[number])
