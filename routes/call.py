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

    Handlers take this rather than a dependency for each: on the way of an event dependencies cost more than pricing it.
    """

    async def body(self) -> bytes:
        """The body. Raises ClientDisconnect when it breaks off."""
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
        """The body, every digit kept. Raises json.JSONDecodeError."""
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
        """Who is signed in."""
        identity: Identity = self.scope["identity"]
        return identity

    @property
    def token(self) -> str | None:
        """The token that came along, valid or not."""
        return bearer_token(header(self.scope, b"authorization"))

    @property
    def idempotency_key(self) -> str | None:
        """What makes sending the request again harmless. Raises Invalid for one that cannot be an id."""
        key = header(self.scope, b"idempotency-key")
        if key is not None and not (0 < len(key) <= 128 and key.isprintable()):
            raise Invalid("Idempotency-Key must have 1 to 128 printable characters", loc=("header", "Idempotency-Key"))
        return key

    @property
    def content_type(self) -> str:
        """What the body is said to be."""
        return header(self.scope, b"content-type") or ""

    @property
    def encoding(self) -> str:
        """How the body is said to be compressed."""
        return header(self.scope, b"content-encoding") or ""

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return client_address(self.scope)

    @property
    def is_local(self) -> bool:
        """Whether a program on this machine asks, for itself and not for somebody else.

        A proxy on this machine is seen by the headers it adds, and a web page in a browser on it by the host it names.
        """
        forwarded = any(name in self.headers for name in _FORWARDED)
        return is_loopback(self.address) and is_loopback(self.host) and not forwarded

    @property
    def host(self) -> str:
        """The host that the caller names, without the port; empty when it is none."""
        try:
            return urlsplit(f"//{header(self.scope, b'host') or ''}").hostname or ""
        except ValueError:
            return ""

    @property
    def device(self) -> str:
        """What the caller's browser or program calls itself."""
        return header(self.scope, b"user-agent") or ""
