"""Ids of events, made of a clock, a process and a counter: a system call for each would cost the caller's time."""

import itertools
import os

_COUNTER_BITS = 24
_PROCESS_BITS = 50
_LONGEST_ID = 128
# Servers that make up ids of a few digits repeat them, and calls that share an id are counted once.
_SHORTEST_ID = 16
_next = itertools.count().__next__
_process = 0


def _begin() -> None:
    global _process
    _process = int.from_bytes(os.urandom(8), "big") >> (64 - _PROCESS_BITS)


def next_number() -> int:
    """The number of a call within its process."""
    return _next()


def event_id(timestamp: float, number: int) -> str:
    """A version 7 UUID (RFC 9562): milliseconds, then what tells processes and their calls apart."""
    rest = _process << _COUNTER_BITS | number & (1 << _COUNTER_BITS) - 1
    text = f"{int(timestamp * 1000):012x}7{rest >> 62:03x}{0b10 << 62 | rest & (1 << 62) - 1:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_of_response(provider: str, response_id: str | None) -> str | None:
    """The id of the event of a call with that id at its vendor; None for one that is no id.

    LLMLab's other doors make the same of it, so that a call is counted once whichever ways it arrives.
    """
    name = provider.strip().lower()
    if response_id is None or not _SHORTEST_ID <= len(response_id) < _LONGEST_ID - len(name):
        return None
    return f"{name}:{response_id}"


_begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
