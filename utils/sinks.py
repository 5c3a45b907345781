"""A file in memory that is taken away while it is written."""

import io
from typing import Any


class Sink(io.RawIOBase):
    """Takes what is written, to be taken away piece by piece."""

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
        """What has been written since it was last asked."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
