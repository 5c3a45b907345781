"""Identifiers: time-ordered UUIDs, and UUIDs derived from callers' event ids."""

import random
import uuid
from datetime import datetime

# An arbitrary fixed namespace for derived ids.
_EVENT_NAMESPACE = uuid.UUID("6f1d3f0e-6a53-4d0b-9f0e-2f4f6c1d9b7a")
_62_BITS = (1 << 62) - 1


def uuid7(at: datetime) -> uuid.UUID:
    """A version 7 UUID (RFC 9562, section 5.7) of the given time: 48 bits of milliseconds, 74 random bits.

    It must be unique, but not secret: to use it, a caller also needs access to its workspace.
    """
    milliseconds = int(at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    bits = random.getrandbits(74)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | bits >> 62 << 64 | 0b10 << 62 | bits & _62_BITS)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def event_uuid(own_id: str) -> uuid.UUID:
    """The UUID for a caller's event id. Equal ids give equal UUIDs, so an event sent twice counts once."""
    try:
        return uuid.UUID(own_id)
    except ValueError:
        return uuid.uuid5(_EVENT_NAMESPACE, own_id)
