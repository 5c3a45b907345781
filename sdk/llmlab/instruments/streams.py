"""Reads the body of an HTTP response while the caller reads it, for httpx and compatible classes."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

from llmlab._logs import warn
from llmlab.instruments.observation import Observation, guarded


class Tap:
    """Reads the bytes of a body on their way to the caller: server-sent events, JSON Lines, or a JSON document."""

    def __init__(self, observation: Observation, content_type: str) -> None:
        self._observation = observation
        self._in_lines = not content_type.startswith("application/json")
        self._rest = b""
        self._document: list[bytes] = []
        self._after_hidden = False
        self._broken = False
        # True while the caller waits for the next bytes.
        self.pulling = False

    def through(self, chunk: bytes) -> bytes:
        """The bytes to pass to the caller: all except a usage chunk that the caller did not request."""
        if self._broken:
            return chunk
        if not self._in_lines:
            self._document.append(chunk)
            return chunk
        unread = self._rest + chunk
        try:
            *lines, self._rest = unread.split(b"\n")
            if not self._observation.hides_usage:
                for line in lines:
                    self._read(line)
                return chunk
            return b"".join(line + b"\n" for line in lines if self._is_visible(line))
        except Exception:
            warn("instruments", "Could not read a stream", traceback=True)
            self._broken = True
            return unread if self._observation.hides_usage else chunk

    def flush(self) -> bytes:
        """The last bytes, after the last line break."""
        rest, self._rest = self._rest, b""
        if self._broken:
            return b""
        if self._document:
            guarded(self._read, b"".join(self._document))
        else:
            guarded(self._read, rest)
        return rest if self._observation.hides_usage else b""

    def end(self) -> None:
        """Ends the observation when the caller stops reading."""
        if not self.pulling:
            self._observation.end()

    def exhausted(self) -> None:
        """Ends the observation at the end of the body."""
        self.pulling = False
        self._observation.end()

    def failed(self, error: Exception) -> None:
        """Records an error while reading the body."""
        self.pulling = False
        self._observation.failed(error)

    def _is_visible(self, line: bytes) -> bool:
        if self._after_hidden:
            # Also hide the blank line that ends a hidden event.
            self._after_hidden = False
            if not line.strip():
                return False
        self._after_hidden = self._read(line)
        return not self._after_hidden

    def _read(self, line: bytes) -> bool:
        data = line[5:].strip() if line.startswith(b"data:") else line.strip()
        if not data.startswith(b"{"):
            return False
        return self._observation.reader.read(json.loads(data))


def watch(response: Any, observation: Observation) -> None:
    """Follows a response whose body has not been read, until it is exhausted, closed or garbage collected.

    The response stays the same object; its class becomes a subclass of its own.
    """
    response._llmlab_tap = Tap(observation, response.headers.get("content-type", ""))
    # Functions set on the instance would create a reference cycle.
    kind: Any = type(response)
    response.__class__ = _watched(kind)
    observation.follow(response)


@cache
def _watched(kind: Any) -> Any:
    """A subclass of the response class that passes its bytes through the tap. Closing restores the class."""

    def iter_bytes(response: Any, *arguments: Any, **options: Any) -> Iterator[bytes]:
        return _pieces(response._llmlab_tap, kind.iter_bytes(response, *arguments, **options))

    def aiter_bytes(response: Any, *arguments: Any, **options: Any) -> AsyncIterator[bytes]:
        return _apieces(response._llmlab_tap, kind.aiter_bytes(response, *arguments, **options))

    def close(response: Any) -> None:
        _detach(response)
        response.close()

    async def aclose(response: Any) -> None:
        _detach(response)
        await response.aclose()

    def _detach(response: Any) -> None:
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
            if visible := tap.through(chunk):
                yield visible
        if visible := tap.flush():
            yield visible
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
            if visible := tap.through(chunk):
                yield visible
        if visible := tap.flush():
            yield visible
        tap.exhausted()
    finally:
        await _aclose(body)


def _close(body: Any) -> None:
    if hasattr(body, "close"):
        body.close()


async def _aclose(body: Any) -> None:
    if hasattr(body, "aclose"):
        await body.aclose()
