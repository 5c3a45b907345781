"""Exact JSON in and out: money never turns into floats."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from utils import json

P = ParamSpec("P")
# To list more faults of a body than this would take longer than to read it.
_MOST_FAULTS = 1_000


def body_validator(body: Any) -> Callable[..., tuple[Any, list[Any]]]:
    """Validates bodies of this type: gives the body and no faults, or None and the faults.

    FastAPI would also look for the attributes of what is no JSON object, and a Decimal has some.
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
        return [{"type": "too_many_errors", "loc": loc, "msg": f"More than {_MOST_FAULTS} things are wrong with it"}]
    faults = error.errors(include_url=False, include_input=False)
    return [{**fault, "loc": (*loc, *fault["loc"])} for fault in faults]


def answer_exactly(endpoint: Callable[P, Awaitable[Any]], status: int) -> Callable[P, Awaitable[Response]]:
    """The endpoint with its answer as exact JSON; a Response passes as it is."""

    @wraps(endpoint)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        value = await endpoint(*args, **kwargs)
        return value if isinstance(value, Response) else json_response(value, status)

    return answer


def json_response(value: Any, status: int = 200) -> Response:
    """Exact JSON with a status."""
    if status == 204:
        return Response(status_code=204)
    return Response(json.dumps(value), status_code=status, media_type="application/json")
