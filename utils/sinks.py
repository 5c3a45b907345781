"""A write-only file in memory that is emptied while it is written."""

import io
from typing import Any


class Sink(io.RawIOBase):
    """Collects written bytes until `taken` returns them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._written += len(self._pieces[-1])
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """Returns and removes the bytes written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
