"""Reads along with whoever reads the body of an HTTP response: httpx's, or that of its successors."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

from llmlab._logs import complain
from llmlab.instruments.observation import Observation, guarded


class Tap:
    """Sees the bytes of a body on their way to the caller: events, lines of JSON, or one JSON document."""

    def __init__(self, seen: Observation, content_type: str) -> None:
        self._seen = seen
        self._in_lines = not content_type.startswith("application/json")
        self._rest = b""
        self._document: list[bytes] = []
        self._after_hidden = False
        self._broken = False
        # Whether the next bytes are being waited for just now, rather than wanted by nobody.
        self.pulling = False

    def through(self, chunk: bytes) -> bytes:
        """What of the next bytes the caller gets, which is all but the usage that only we asked for."""
        if self._broken:
            return chunk
        if not self._in_lines:
            self._document.append(chunk)
            return chunk
        unread = self._rest + chunk
        try:
            *lines, self._rest = unread.split(b"\n")
            if not self._seen.hides_usage:
                for line in lines:
                    self._read(line)
                return chunk
            return b"".join(line + b"\n" for line in lines if self._shown(line))
        except Exception:
            complain("instruments", "A stream could not be read", fault=True)
            self._broken = True
            return unread if self._seen.hides_usage else chunk

    def flush(self) -> bytes:
        """The last bytes, which no line break follows."""
        rest, self._rest = self._rest, b""
        if self._broken:
            return b""
        if self._document:
            guarded(self._read, b"".join(self._document))
        else:
            guarded(self._read, rest)
        return rest if self._seen.hides_usage else b""

    def end(self) -> None:
        """Nobody reads on."""
        if not self.pulling:
            self._seen.end()

    def exhausted(self) -> None:
        """The body is over."""
        self.pulling = False
        self._seen.end()

    def failed(self, error: Exception) -> None:
        """The body broke off."""
        self.pulling = False
        self._seen.failed(error)

    def _shown(self, line: bytes) -> bool:
        if self._after_hidden:
            # The blank line that ends a hidden event.
            self._after_hidden = False
            if not line.strip():
                return False
        self._after_hidden = self._read(line)
        return not self._after_hidden

    def _read(self, line: bytes) -> bool:
        data = line[5:].strip() if line.startswith(b"data:") else line.strip()
        if not data.startswith(b"{"):
            return False
        read = json.loads(data)
        return self._seen.reader.read(read)


def watch(response: Any, seen: Observation) -> None:
    """Lets the observation follow a response whose body is still to be read; it ends with the body, or when the
    response is closed or forgotten. The response stays the same object, and its class a subclass of its own.
    """
    response._llmlab_tap = Tap(seen, response.headers.get("content-type", ""))
    # A function put into the response itself would refer to it, and leave it to the garbage collector.
    kind: Any = type(response)
    response.__class__ = _watched(kind)
    seen.follow(response)


@cache
def _watched(kind: Any) -> Any:
    """The same kind of response, read along. It is its old self when it is closed."""

    def iter_bytes(response: Any, *arguments: Any, **options: Any) -> Iterator[bytes]:
        return _pieces(response._llmlab_tap, kind.iter_bytes(response, *arguments, **options))

    def aiter_bytes(response: Any, *arguments: Any, **options: Any) -> AsyncIterator[bytes]:
        return _apieces(response._llmlab_tap, kind.aiter_bytes(response, *arguments, **options))

    def close(response: Any) -> None:
        _let_go(response)
        response.close()

    async def aclose(response: Any) -> None:
        _let_go(response)
        await response.aclose()

    def _let_go(response: Any) -> None:
        response.__class__ = kind
        vars(response).pop("_llmlab_tap").end()

    replaced = {"iter_bytes": iter_bytes, "aiter_bytes": aiter_bytes, "close": close, "aclose": aclose}
    return type(kind.__name__, (kind,), {**replaced, "__module__": kind.__module__, "__qualname__": kind.__qualname__})


def _pieces(tap: Tap, body: Iterator[bytes]) -> Iterator[bytes]:
    try:
        while True:
            tap.pulling = True
            try:
                chunk = next(body)
            except StopIteration:
                break
            except Exception as error:
                tap.failed(error)
                raise
            finally:
                tap.pulling = False
            if shown := tap.through(chunk):
                yield shown
        if shown := tap.flush():
            yield shown
        tap.exhausted()
    finally:
        _close(body)


async def _apieces(tap: Tap, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while True:
            tap.pulling = True
            try:
                chunk = await body.__anext__()
            except StopAsyncIteration:
                break
            except Exception as error:
                tap.failed(error)
                raise
            finally:
                tap.pulling = False
            if shown := tap.through(chunk):
                yield shown
        if shown := tap.flush():
            yield shown
        tap.exhausted()
    finally:
        await _aclose(body)


def _close(body: Any) -> None:
    if hasattr(body, "close"):
        body.close()


async def _aclose(body: Any) -> None:
    if hasattr(body, "aclose"):
        await body.aclose()
