"""Identifiers: time-ordered UUIDs, and the UUID that stands for a caller's own event id."""

import random
import uuid
from datetime import datetime

# Any fixed UUID will do; it keeps our derived ids apart from everybody else's.
_EVENT_NAMESPACE = uuid.UUID("6f1d3f0e-6a53-4d0b-9f0e-2f4f6c1d9b7a")
_62_BITS = (1 << 62) - 1


def uuid7(at: datetime) -> uuid.UUID:
    """A version 7 UUID (RFC 9562, section 5.7) of the given time: 48 bits of milliseconds, 74 random bits.

    It has to be unique, not secret: whoever guesses one still needs the workspace it is in.
    """
    milliseconds = int(at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    chance = random.getrandbits(74)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | chance >> 62 << 64 | 0b10 << 62 | chance & _62_BITS)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def event_uuid(own_id: str) -> uuid.UUID:
    """The UUID of an event its sender named: the same one for the same name, so that sending again is harmless."""
    try:
        return uuid.UUID(own_id)
    except ValueError:
        return uuid.uuid5(_EVENT_NAMESPACE, own_id)
