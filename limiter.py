"""The middleware of rate limits. How much of each class a minute allows is in utils/rate_limits.py."""

import time
from collections.abc import Callable

from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from middleware import send_error
from schemas.identities import Identity
from schemas.refusals import LimitName, RouteLimit
from utils.asgi import client_address, header
from utils.errors import LLMLabError, TooManyRequests, Unavailable
from utils.rate_limits import Buckets, RateLimits

Headers = list[tuple[bytes, bytes]]
LimitOf = Callable[[str, str], RouteLimit]
Refused = Callable[[Identity | None, LimitName], None]

# OpenTelemetry exporters give up a batch after ten seconds, and at once if they are asked to wait as long.
_LONGEST_WAIT_OF_SENDERS = 9
_EXCESS: dict[LimitName, str] = {
    "key_requests": "This API key has sent {:,} requests within a minute, which is its limit",
    "user_requests": "This user has sent {:,} requests within a minute, which is the limit",
    "workspace_requests": "This workspace has sent {:,} requests within a minute, which is its limit",
    "address_requests": "This address has sent {:,} requests within a minute, which is its limit",
    "ingest_events": "This workspace has sent {:,} events within a minute, which is the limit of recording",
    "ingest_bytes": "This workspace has sent {:,} bytes within a minute, which is the limit of recording",
    "guard_requests": "This workspace has sent {:,} budget checks within a minute, which is the limit",
}


class RateLimitMiddleware:
    """Limits requests by the class of their route, and reports what it refuses to `refused`.

    What records calls is limited by the events and bytes of its workspace, and never by the number of requests: the
    request that reaches the limit is taken whole, and later ones are refused until there is room again. The guard of
    budgets is limited by the requests of the workspace. All other requests are counted for the API key or user and for
    its workspace; without either, for the address.
    """

    def __init__(self, app: ASGIApp, limits: RateLimits, limit_of: LimitOf, refused: Refused) -> None:
        self.app = app
        self._limits = limits
        self._limit_of = limit_of
        self._refused = refused
        self._exact = MovingWindowRateLimiter(limits.storage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity: Identity | None = scope.get("identity")
        limit = "requests" if identity is None else self._limit_of(scope["method"], scope["path"])
        headers: Headers = []
        try:
            if identity is None:
                await self._count_exactly("address_requests", f"address:{client_address(scope)}", headers)
            elif limit == "ingest":
                receive = self._count_body(identity, scope, receive)
            elif limit == "guard":
                _check(self._limits.guard, identity.workspace_id, "guard_requests", _LONGEST_WAIT_OF_SENDERS)
                self._limits.guard.take(identity.workspace_id)
            else:
                await self._count_request(identity, headers)
        except LLMLabError as error:
            if isinstance(error, TooManyRequests):
                self._refused(identity, error.extra["limit"])
            await send_error(scope, _with_headers(send, headers), error)
            return
        await self.app(scope, receive, _with_headers(send, headers))

    def _count_body(self, identity: Identity, scope: Scope, receive: Receive) -> Receive:
        """Counts the bytes of a body; what it records is counted by the engine once it is read.

        Raises TooManyRequests.
        """
        workspace_id = identity.workspace_id
        _check(self._limits.events, workspace_id, "ingest_events", _LONGEST_WAIT_OF_SENDERS)
        _check(self._limits.bytes, workspace_id, "ingest_bytes", _LONGEST_WAIT_OF_SENDERS)
        length = header(scope, b"content-length")
        if length is not None:
            self._limits.bytes.take(workspace_id, int(length))
            return receive

        async def receive_counted() -> Message:
            message = await receive()
            self._limits.bytes.take(workspace_id, len(message.get("body", b"")))
            return message

        return receive_counted

    async def _count_request(self, identity: Identity, headers: Headers) -> None:
        """Counts a request of an API key or a user, and adds the headers of its limit. Raises TooManyRequests."""
        limits = self._limits
        workspaces = limits.users_of_workspaces if identity.key_id is None else limits.keys_of_workspaces
        _check(workspaces, identity.workspace_id, "workspace_requests")
        if identity.key_id is None:
            self._count_user(identity, headers)
        else:
            await self._count_exactly("key_requests", f"caller:{identity.key_id}", headers)
        workspaces.take(identity.workspace_id)

    def _count_user(self, identity: Identity, headers: Headers) -> None:
        users = self._limits.users
        if not users.per_minute:
            return
        try:
            _check(users, identity.user_id, "user_requests")
            users.take(identity.user_id)
        finally:
            left, seconds = users.left(identity.user_id)
            headers += _headers(users.per_minute, left, time.time() + seconds)

    async def _count_exactly(self, limit: LimitName, caller: str, headers: Headers) -> None:
        """Counts a request, and adds the headers of its limit. Raises TooManyRequests and Unavailable."""
        item = self._limits.callers
        if item is None:
            return
        try:
            allowed = await self._exact.hit(item, caller)
            window = await self._exact.get_window_stats(item, caller)
        except StorageError:
            raise Unavailable("The rate limit cannot be checked; try again in a moment") from None
        headers += _headers(item.amount, window.remaining, window.reset_time)
        if not allowed:
            raise TooManyRequests(limit, _EXCESS[limit].format(item.amount), window.reset_time - time.time())


def _check(buckets: Buckets, key: object, limit: LimitName, longest: int | None = None) -> None:
    wait = buckets.wait(key)
    if wait:
        raise TooManyRequests(limit, _EXCESS[limit].format(buckets.per_minute), wait, longest=longest)


def _with_headers(send: Send, headers: Headers) -> Send:
    if not headers:
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers


def _headers(most: int, left: int, resets_at: float) -> Headers:
    return [
        (b"x-ratelimit-limit", b"%d" % most),
        (b"x-ratelimit-remaining", b"%d" % left),
        (b"x-ratelimit-reset", b"%d" % resets_at),
    ]
