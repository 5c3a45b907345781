"""Event ids, built from the clock, a random process number and a counter. This avoids a system call per event."""

import itertools
import os

_COUNTER_BITS = 24
_PROCESS_BITS = 50
_MAX_ID_LENGTH = 128
# Shorter response ids are ignored: some servers repeat them, and calls with equal ids count once.
_MIN_RESPONSE_ID_LENGTH = 16
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


def id_of_response(provider: str, response_id: str | None) -> str | None:
    """The event id for a provider's response id; None if that is missing, too short or too long.

    LLMLab's other ingestion paths build the same id, so that a call recorded in two ways counts once.
    """
    name = provider.strip().lower()
    if response_id is None or not _MIN_RESPONSE_ID_LENGTH <= len(response_id) < _MAX_ID_LENGTH - len(name):
        return None
    return f"{name}:{response_id}"


_begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
