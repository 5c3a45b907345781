"""The fast paths: track, batch and log-call read and validate their bodies themselves.

On FastAPI's way an event takes 0.56 ms of the processor, on this one 0.40 ms (medians of 14 runs in turn, which range
from 0.45 to 0.75 and from 0.34 to 0.52); a batch of ten events 3.1 and 2.4 ms. For a batch of 500 it makes no
difference. The answers are the same, with tracing and without.
"""

import re
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from routes import needs
from routes.call import Call
from routes.router import Route, refuse_unknown
from utils import json
from utils.errors import PayloadTooLarge

# Room for a batch of a thousand events, or for an event with a provider's response.
MAX_BODY_BYTES = 1024 * 1024
_JSON = re.compile(r"application/([^;/\s]+\+)?json\s*(;|$)", re.IGNORECASE)


class FastRoute(Route):
    """A route whose endpoint takes only the call and a JSON body, which the route itself reads and validates."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        (body,) = self.dependant.body_params
        assert type(body.field_info) is params.Body
        assert not self.dependant.dependencies and not get_flat_params(self.dependant)
        self._validate = body.validate
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive)
        needs.check(self.needs, scope)
        refuse_unknown(call, ())
        body, faults = self._validate(await _json(call))
        if faults:
            raise RequestValidationError(faults)
        response = await self.endpoint(call, body)
        await response(scope, receive, send)


async def _json(call: Call) -> Any:
    """The body as JSON, or as bytes if its Content-Type is not JSON.

    Raises RequestValidationError, and PayloadTooLarge for too many values.
    """
    body = await call.body()
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    if not _JSON.match(call.content_type):
        return body
    try:
        return await call.json()
    except json.TooManyValues as error:
        raise PayloadTooLarge(f"The request body is too large: {error.msg}") from None
    except JSONDecodeError as error:
        context = {"error": error.msg}
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body", 0), "msg": "", "ctx": context}]
        ) from None
