"""A receiver of webhooks on this machine."""

import asyncio
import hashlib
import hmac
from typing import Any, NamedTuple

from utils import json


class Received(NamedTuple):
    """A received request; the names of its headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Checks the signature as the documentation describes."""
        parts = dict(part.split("=") for part in self.headers["x-llmlab-signature"].split(","))
        expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, parts["v1"])


class Receiver:
    """A web server that keeps the requests that it receives.

    It answers with the given statuses in turn, and then with 204; or with 200 and a body.
    """

    def __init__(self, *statuses: int, port: int = 0, location: str = "", answer: bytes = b"") -> None:
        self.requests: list[Received] = []
        self.port = port
        self._statuses = list(statuses)
        self._location = location
        self._content = answer

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def __aenter__(self) -> "Receiver":
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Received(head.split()[1], headers, body))
        status = self._statuses.pop(0) if self._statuses else 200 if self._content else 204
        location = f"Location: {self._location}\r\n" if self._location else ""
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(self._content)}\r\n".encode())
        writer.write(f"Connection: close\r\n{location}\r\n".encode() + self._content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
