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
_MEANING = f"The refresh token comes and goes in the cookie `{_NAME}`"

# For the schema of paths that set or read the cookie.
COOKIE: dict[str, Any] = {
    "parameters": [
        {
            "name": "X-Session",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "enum": ["cookie"], "description": _MEANING},
            "description": _MEANING,
        }
    ]
}


def in_cookie(endpoint: Callable[..., Awaitable[SignedIn]]) -> Callable[..., Awaitable[SignedIn | Response]]:
    """The endpoint, whose refresh token goes into the cookie for a call that asks for that."""

    @wraps(endpoint)
    async def answer(call: Call, *args: Any, **kwargs: Any) -> SignedIn | Response:
        wanted = _is_wanted(call)
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
    """The refresh token of the cookie if the call is about that, otherwise of the body. Raises Invalid."""
    if not _is_wanted(call):
        if sent.refresh_token is None:
            raise Invalid("refresh_token is needed", loc=("body", "refresh_token"), kind="missing")
        return sent.refresh_token
    if sent.refresh_token is not None:
        raise Invalid("send either refresh_token or X-Session, not both", loc=("body", "refresh_token"))
    return kept(call) or ""


def kept(call: Call) -> str | None:
    """The refresh token of the cookie, if the call is about that and the cookie came along."""
    return call.cookies.get(_NAME) if _is_wanted(call) else None


@contextmanager
def cleared_when_refused(call: Call) -> Iterator[None]:
    """The browser drops the cookie when what happens inside is refused."""
    try:
        yield
    except Unauthorized as error:
        if _is_wanted(call):
            error.headers["Set-Cookie"] = _cookie(call, "", 0)
        raise


def cleared(call: Call, message: Message) -> Response:
    """The answer of a call; if it is about the cookie, the browser drops that."""
    response = json_response(message)
    if _is_wanted(call):
        response.headers["Set-Cookie"] = _cookie(call, "", 0)
    return response


def _is_wanted(call: Call) -> bool:
    """Whether the call is about the cookie. Raises Invalid for a header that says anything else."""
    said = call.headers.get("x-session")
    if said not in (None, "cookie"):
        raise Invalid("X-Session must be cookie, or be left out", loc=("header", "X-Session"), kind="enum")
    return said is not None


def _cookie(call: Call, value: str, max_age: int) -> str:
    """The header that has a browser keep the cookie for so many seconds.

    Over plain HTTP on the same machine it is not `Secure`: not every browser would send it then.
    """
    response = Response()
    secure = call.url.scheme == "https" or not is_loopback(call.host)
    response.set_cookie(_NAME, value, max_age, path=_PATH, secure=secure, httponly=True, samesite="strict")
    return response.headers["Set-Cookie"]
