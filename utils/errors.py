"""The errors of LLMLab and their common format, problem details (RFC 9457).

LLMLabError
  x BadRequest            400
  x Unauthorized          401
  x PaymentRequired       402
  x Forbidden             403
  x NotFound              404
  x Conflict              409
  x PayloadTooLarge       413
  x UnsupportedMediaType  415
  x Invalid               422
  x TooManyRequests       429
  x NotInstalled          501
  x Unavailable           503
    x TooSlow

The docstring of an error is its default message.
"""

from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import Any, ClassVar

from utils import json
from utils.time import now

PROBLEM_JSON = "application/problem+json"
# Phrases of RFC 9110. HTTPStatus has different ones for these two, depending on the Python version.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class StartError(Exception):
    """LLMLab cannot start as it is configured. The message says what to change. No caller sees it."""


class LLMLabError(Exception):
    """Internal server error; its log entry has this request_id"""

    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.headers = headers or {}
        self.extra = extra
        super().__init__(self.detail)


class BadRequest(LLMLabError):
    """The request cannot be processed"""

    status = 400


class Unauthorized(LLMLabError):
    """Sign in and send the access token as 'Authorization: Bearer <token>'"""

    status = 401

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class PaymentRequired(LLMLabError):
    """A budget has no room for this"""

    status = 402


class Forbidden(LLMLabError):
    """Admin access required"""

    status = 403


class NotFound(LLMLabError):
    """Not found"""

    status = 404


class Conflict(LLMLabError):
    """Conflicts with the current state"""

    status = 409


class PayloadTooLarge(LLMLabError):
    """The request body is too large"""

    status = 413


class UnsupportedMediaType(LLMLabError):
    """Unsupported content type or encoding"""

    status = 415


class Invalid(LLMLabError):
    """The request is not valid"""

    status = 422

    def __init__(self, detail: str, *, loc: tuple[str | int, ...] = ("body",), kind: str = "value_error") -> None:
        super().__init__(detail, errors=[{"loc": list(loc), "msg": detail, "type": kind}])


class TooManyRequests(LLMLabError):
    """Too many requests"""

    status = 429

    def __init__(self, limit: str, detail: str, wait: float, *, longest: int | None = None) -> None:
        """A limit, what was too much, and the seconds until the limit has room again.

        `longest` bounds what Retry-After asks for, not the time that the body names.
        """
        retry_after = max(1, ceil(wait))
        super().__init__(
            f"{detail}; try again in {retry_after} s",
            headers={"Retry-After": str(retry_after if longest is None else min(retry_after, longest))},
            limit=limit,
            resets_at=now() + timedelta(seconds=retry_after),
        )


class NotInstalled(LLMLabError):
    """An optional package is not installed on this server"""

    status = 501


class Unavailable(LLMLabError):
    """The database cannot be reached; try again in a moment"""

    status = 503

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class TooSlow(Unavailable):
    """This takes too long and was stopped"""


def problem(status: int, detail: str, request_id: str, **extra: Any) -> bytes:
    """The body of an error: type, title, status, detail, request_id, and the extra members of the error."""
    return json.dumps(
        {
            "type": "about:blank",
            "title": _TITLES.get(status) or HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "request_id": request_id,
            **extra,
        }
    )
