"""Exact JSON in requests and responses: amounts never become floats."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from utils import json

P = ParamSpec("P")
# Maximum number of validation errors in a response: listing more would take longer than reading the body.
_MOST_FAULTS = 1_000


def body_validator(body: Any) -> Callable[..., tuple[Any, list[Any]]]:
    """A validator of bodies of this type, which returns the body and no errors, or None and the errors.

    FastAPI's own would accept the attributes of a value that is not a JSON object, and a Decimal has some.
    """
    validate = TypeAdapter(body).validator.validate_python

    def validated(value: Any, _: Any = None, *, loc: tuple[str, ...] = ("body",)) -> tuple[Any, list[Any]]:
        try:
            return validate(value), []
        except ValidationError as error:
            return None, _faults(error, loc)

    return validated


def _faults(error: ValidationError, loc: tuple[str, ...]) -> list[Any]:
    if error.error_count() > _MOST_FAULTS:
        return [{"type": "too_many_errors", "loc": loc, "msg": f"The body has more than {_MOST_FAULTS} errors"}]
    faults = error.errors(include_url=False, include_input=False)
    return [{**fault, "loc": (*loc, *fault["loc"])} for fault in faults]


def answer_exactly(endpoint: Callable[P, Awaitable[Any]], status: int) -> Callable[P, Awaitable[Response]]:
    """The endpoint with its result as exact JSON; a Response is returned unchanged."""

    @wraps(endpoint)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        value = await endpoint(*args, **kwargs)
        return value if isinstance(value, Response) else json_response(value, status)

    return answer


def json_response(value: Any, status: int = 200) -> Response:
    """A response with exact JSON."""
    if status == 204:
        return Response(status_code=204)
    return Response(json.dumps(value), status_code=status, media_type="application/json")
