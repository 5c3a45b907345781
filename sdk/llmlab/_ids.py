"""Event ids, built from the clock, a random process number and a counter. This avoids a system call per event."""

import itertools
import os

_COUNTER_BITS = 24
_PROCESS_BITS = 50
# Shorter response ids are ignored: some servers repeat them, and calls with equal ids count once.
_MIN_RESPONSE_ID_LENGTH = 16
_MAX_RESPONSE_ID_LENGTH = 1024
_next = itertools.count().__next__
_process = 0


def _begin() -> None:
    global _process
    _process = int.from_bytes(os.urandom(8), "big") >> (64 - _PROCESS_BITS)


def next_number() -> int:
    """The number of a call within its process."""
    return _next()


def event_id(timestamp: float, number: int) -> str:
    """A version 7 UUID (RFC 9562): milliseconds, process number and call number."""
    rest = _process << _COUNTER_BITS | number & (1 << _COUNTER_BITS) - 1
    text = f"{int(timestamp * 1000):012x}7{rest >> 62:03x}{0b10 << 62 | rest & (1 << 62) - 1:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_unique(response_id: str | None) -> bool:
    """Whether a provider's id of a response identifies it, and can be sent."""
    return response_id is not None and _MIN_RESPONSE_ID_LENGTH <= len(response_id) <= _MAX_RESPONSE_ID_LENGTH


_begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
