"""The gateway of a Supabase project: it maps /rest/v1/ to PostgREST, and each key to the JWT of its role.

It runs as a process of its own, so that it takes no time from the event loop of a test or a benchmark. Each connection
of a client has one to PostgREST. No client sends a request before the last one is answered, so only requests are
parsed, and answers pass unread.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import cast

import uvloop

_PREFIX = b"/rest/v1/"
# What Supabase's gateway answers.
_NO_ROUTE = {"message": "no Route matched with those values"}
_NO_KEY = {"message": "No API key found in request", "hint": "No `apikey` request header or url param was found."}
_UNKNOWN_KEY = {
    "message": "Invalid API key",
    "hint": "Double check your Supabase `anon` or `service_role` API key.",
}
_BROKEN = {"message": "An invalid response was received from the upstream server"}


class Refusal(Exception):
    """A request that the gateway answers itself."""

    def __init__(self, status: HTTPStatus, body: Mapping[str, str]) -> None:
        self.status = status
        self.body = body


class Gateway:
    """A server in front of the PostgREST at a port of this machine."""

    def __init__(self, upstream: int, tokens: Mapping[str, str]) -> None:
        """`tokens` has the JWT for each key."""
        self.upstream = upstream
        self._tokens = {key.encode(): token.encode() for key, token in tokens.items()}
        self._server: asyncio.Server | None = None
        # A test sets this to a function: the connection breaks before the client gets the answer of its next call.
        self.loses_answer_of: str | None = None

    async def start(self, port: int) -> None:
        """Listens on a port of this machine."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Client(self), "127.0.0.1", port)

    def close(self) -> None:
        """Stops listening."""
        assert self._server is not None
        self._server.close()

    def rewritten(self, line: bytes, fields: dict[bytes, bytes]) -> bytes:
        """The head of a request as PostgREST gets it. Raises Refusal."""
        method, path, version = line.split(b" ")
        if not path.startswith(_PREFIX):
            raise Refusal(HTTPStatus.NOT_FOUND, _NO_ROUTE)
        if b"transfer-encoding" in fields:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, {"message": "A request needs a Content-Length"})
        key = fields.get(b"apikey")
        if key is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, _NO_KEY)
        if key not in self._tokens:
            raise Refusal(HTTPStatus.UNAUTHORIZED, _UNKNOWN_KEY)
        authorization = fields.get(b"authorization", b"")
        # Supabase's clients send their key here, too. Only a JWT is a token.
        if not authorization or authorization.startswith(b"Bearer sb_"):
            authorization = b"Bearer " + self._tokens[key]
        lines = [b" ".join((method, path[len(_PREFIX) - 1 :], version))]
        lines += [b"%b: %b" % field for field in (fields | {b"authorization": authorization}).items()]
        return b"\r\n".join((*lines, b"", b""))


class Peer(asyncio.Protocol):
    """One of two joined connections. It reads no faster than the other writes."""

    transport: asyncio.Transport
    other: "Peer | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()


class Client(Peer):
    """The connection of a client."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.is_waiting = False
        self._is_ready = False
        self._head = b""
        # Bytes of the body that are still to come, and whether PostgREST gets them.
        self._rest = 0
        self._passes = True
        self.loses_answer = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self.other = await loop.create_connection(lambda: Upstream(self), "127.0.0.1", self.gateway.upstream)
        except OSError:
            # Requests are answered without it.
            self.other = None
        if self.transport.is_closing():
            self.connection_lost(None)
            return
        self._is_ready = True
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        if not self._is_ready:
            self._head = data
            return
        while data:
            if self._rest:
                body, data = data[: self._rest], data[self._rest :]
                self._rest -= len(body)
                if self._passes and self.other is not None:
                    self.other.transport.write(body)
            elif (end := data.find(b"\r\n\r\n")) >= 0:
                self._begin(data[:end])
                data = data[end + 4 :]
            else:
                self._head, data = data, b""

    def _begin(self, head: bytes) -> None:
        line, *lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (each.partition(b":") for each in lines)}
        self._rest = int(fields.get(b"content-length", 0))
        self._passes = False
        try:
            rewritten = self.gateway.rewritten(line, fields)
            if self.other is None:
                raise Refusal(HTTPStatus.BAD_GATEWAY, _BROKEN)
        except Refusal as refusal:
            self.answer(refusal)
        else:
            self._passes = self.is_waiting = True
            lost = self.gateway.loses_answer_of
            if lost is not None and line.split(b" ")[1] == f"/rest/v1/rpc/{lost}".encode():
                self.loses_answer, self.gateway.loses_answer_of = True, None
            self.other.transport.write(rewritten)

    def answer(self, refusal: Refusal) -> None:
        """Answers in place of PostgREST."""
        body = json.dumps(refusal.body)
        self.transport.write(
            f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


class Upstream(Peer):
    """The connection to PostgREST that belongs to a client's."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.other = client

    def data_received(self, data: bytes) -> None:
        if self.client.loses_answer:
            self.client.transport.abort()
            return
        self.client.is_waiting = False
        self.client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.client.other = None
        if self.client.is_waiting:
            self.client.answer(Refusal(HTTPStatus.BAD_GATEWAY, _BROKEN))
        self.client.transport.close()


async def main(port: str, upstream: str, tokens: str) -> None:
    """Serves until the process is ended."""
    gateway = Gateway(int(upstream), json.loads(tokens))
    await gateway.start(int(port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
