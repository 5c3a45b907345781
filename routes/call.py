"""A request as handlers see it: its body, who makes it, and the engines that answer it."""

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from engines import Engines
from schemas.identities import Identity
from utils import json
from utils.addresses import is_loopback
from utils.asgi import client_address, header
from utils.errors import Invalid
from utils.tokens import bearer_token

# Headers in which proxies name the client of a request.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class Call(Request):
    """A request with exact JSON, who makes it, and the engines that answer it.

    Handlers take this rather than a dependency for each: for an event, resolving dependencies costs more than pricing.
    """

    async def body(self) -> bytes:
        """The body. Raises ClientDisconnect if the client disconnects before its end."""
        if not hasattr(self, "_body"):
            pieces, more = [], True
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        """The body as JSON with exact numbers. Raises json.JSONDecodeError."""
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body())
        return self._json

    @property
    def engines(self) -> Engines:
        """The engines of the application."""
        engines: Engines = self.app.state.engines
        return engines

    @property
    def caller(self) -> Identity:
        """The authenticated caller."""
        identity: Identity = self.scope["identity"]
        return identity

    @property
    def token(self) -> str | None:
        """The bearer token, valid or not."""
        return bearer_token(header(self.scope, b"authorization"))

    @property
    def idempotency_key(self) -> str | None:
        """The idempotency key. Raises Invalid if it cannot be an event's id."""
        key = header(self.scope, b"idempotency-key")
        if key is not None and not (0 < len(key) <= 128 and key.isprintable()):
            raise Invalid("Idempotency-Key must have 1 to 128 printable characters", loc=("header", "Idempotency-Key"))
        return key

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return header(self.scope, b"content-type") or ""

    @property
    def encoding(self) -> str:
        """The Content-Encoding header."""
        return header(self.scope, b"content-encoding") or ""

    @property
    def address(self) -> str:
        """The client's address."""
        return client_address(self.scope)

    @property
    def is_local(self) -> bool:
        """Whether the request comes directly from a program on this machine.

        A proxy on this machine is recognised by the headers that it adds, and a web page by its Host header.
        """
        forwarded = any(name in self.headers for name in _FORWARDED)
        return is_loopback(self.address) and is_loopback(self.host) and not forwarded

    @property
    def host(self) -> str:
        """The host of the Host header, without the port; empty if it is not valid."""
        try:
            return urlsplit(f"//{header(self.scope, b'host') or ''}").hostname or ""
        except ValueError:
            return ""

    @property
    def device(self) -> str:
        """The User-Agent header."""
        return header(self.scope, b"user-agent") or ""
