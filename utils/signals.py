"""Stop signals of the process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_stop_signal(call: Callable[[], None]) -> Iterator[None]:
    """Calls a function in the event loop on SIGINT or SIGTERM, in addition to the existing handlers.

    The web server waits for open answers before it stops the application, so endless streams must be closed here. Has
    no effect outside the main thread.
    """
    loop = asyncio.get_running_loop()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        handler = previous[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    # A signal without a handler still ends the process.
    handled = [number for number, handler in previous.items() if callable(handler)]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, previous[number])
