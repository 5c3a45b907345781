"""Sessions of browsers: the refresh token is in a cookie, which no script can read.

The cookie is set and read only for a request with the header `X-Session: cookie`. Neither a form nor a page of another
site can send that header, so neither can use the cookie.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from fastapi import Response

from routes.call import Call
from routes.exact import json_response
from schemas.accounts import Message, Refresh, SignedIn
from utils.addresses import is_loopback
from utils.errors import Invalid, Unauthorized

_NAME = "llmlab_refresh"
_PATH = "/api/auth"
_DESCRIPTION = f"Exchange the refresh token in the cookie `{_NAME}`"

# For the schema of paths that set or read the cookie.
COOKIE: dict[str, Any] = {
    "parameters": [
        {
            "name": "X-Session",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "enum": ["cookie"], "description": _DESCRIPTION},
            "description": _DESCRIPTION,
        }
    ]
}


def refresh_token_in_cookie(
    endpoint: Callable[..., Awaitable[SignedIn]],
) -> Callable[..., Awaitable[SignedIn | Response]]:
    """The endpoint with its refresh token moved to the cookie, for a call with X-Session."""

    @wraps(endpoint)
    async def answer(call: Call, *args: Any, **kwargs: Any) -> SignedIn | Response:
        wanted = _wants_cookie(call)
        signed_in = await endpoint(call, *args, **kwargs)
        if not wanted or signed_in.refresh_token is None:
            return signed_in
        lifetime = int(call.engines.accounts.refresh_lifetime.total_seconds())
        hidden = signed_in.model_copy(update={"refresh_token": None})
        response = json_response(hidden, call.scope["route"].status_code or 200)
        response.headers["Set-Cookie"] = _cookie(call, signed_in.refresh_token, lifetime)
        return response

    return answer


def refresh_token(call: Call, sent: Refresh) -> str:
    """The refresh token of the cookie for a call with X-Session, otherwise of the body. Raises Invalid."""
    if not _wants_cookie(call):
        if sent.refresh_token is None:
            raise Invalid("refresh_token is required", loc=("body", "refresh_token"), kind="missing")
        return sent.refresh_token
    if sent.refresh_token is not None:
        raise Invalid("send either refresh_token or X-Session, not both", loc=("body", "refresh_token"))
    return cookie_token(call) or ""


def cookie_token(call: Call) -> str | None:
    """The refresh token of the cookie, for a call with X-Session; None without the cookie."""
    return call.cookies.get(_NAME) if _wants_cookie(call) else None


@contextmanager
def clear_cookie_when_refused(call: Call) -> Iterator[None]:
    """Deletes the cookie if the block raises Unauthorized."""
    try:
        yield
    except Unauthorized as error:
        if _wants_cookie(call):
            error.headers["Set-Cookie"] = _cookie(call, "", 0)
        raise


def clear_cookie(call: Call, message: Message) -> Response:
    """The response of a call; with X-Session, it has the browser drop the cookie."""
    response = json_response(message)
    if _wants_cookie(call):
        response.headers["Set-Cookie"] = _cookie(call, "", 0)
    return response


def _wants_cookie(call: Call) -> bool:
    """Whether the call has X-Session. Raises Invalid for an unknown value."""
    value = call.headers.get("x-session")
    if value not in (None, "cookie"):
        raise Invalid("X-Session must be cookie or omitted", loc=("header", "X-Session"), kind="enum")
    return value is not None


def _cookie(call: Call, value: str, max_age: int) -> str:
    """The Set-Cookie header with a lifetime in seconds.

    Over plain HTTP on the same machine the cookie is not `Secure`: some browsers would not send it.
    """
    response = Response()
    secure = call.url.scheme == "https" or not is_loopback(call.host)
    response.set_cookie(_NAME, value, max_age, path=_PATH, secure=secure, httponly=True, samesite="strict")
    return response.headers["Set-Cookie"]
