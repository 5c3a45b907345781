"""The call of a SQL function, as the signature of a method.

    class CostQueries(Functions):
        @function
        async def cost_tag_keys(self, workspace_id: UUID, limit: int) -> TagKeys: ...

calls `public.cost_tag_keys(p_workspace_id => ..., p_limit => ...)` and reads the answer as a TagKeys. An argument whose
class has a method `parameters` (an identity, a filter) is replaced by what that returns. A method that has to reshape
its arguments or the answer has a body, which calls `_ask`, `_find` or `_do`. tests/test_queries.py compares the methods
with the functions of a migrated database.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import cache, wraps
from typing import Any, Protocol, TypeVar, cast

from pydantic import TypeAdapter

from roads.road import Road

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])

# Readers of answers by their type. Each is made with the first answer, and not while the program starts.
_reader: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


class Spread(Protocol):
    """A value that is passed as several parameters."""

    def parameters(self) -> Mapping[str, Any]:
        """The parameters, by name without the `p_`."""


class Functions:
    """SQL functions that are called by a road. Every method is one round trip."""

    def __init__(self, road: Road) -> None:
        self._road = road

    async def _ask(self, answer: type[T], function: str, /, *spread: Spread, **parameters: Any) -> T:
        """Calls a function and reads its answer."""
        found: T = _reader(answer).validate_python(await self._call(function, spread, parameters))
        return found

    async def _find(self, answer: type[T], function: str, /, *spread: Spread, **parameters: Any) -> T | None:
        """Calls a function that may answer with nothing."""
        found: T | None = _reader(answer | None).validate_python(await self._call(function, spread, parameters))
        return found

    async def _do(self, function: str, /, *spread: Spread, **parameters: Any) -> None:
        """Calls a function without an answer."""
        await self._call(function, spread, parameters)

    async def _call(self, function: str, spread: tuple[Spread, ...], parameters: Mapping[str, Any]) -> Any:
        sent: dict[str, Any] = {}
        for each in spread:
            sent.update(_prefixed(each.parameters()))
        return await self._road.call(function, sent | _prefixed(parameters))


def function(method: Method) -> Method:
    """Makes a method without a body call the SQL function of its name."""
    name = method.__name__
    signature = inspect.signature(method)
    _, *parameters = signature.parameters.values()
    names = tuple(f"p_{parameter.name}" for parameter in parameters)
    is_spread = tuple(hasattr(parameter.annotation, "parameters") for parameter in parameters)
    answer = signature.return_annotation

    @wraps(method)
    async def call(self: Functions, *values: Any, **named: Any) -> Any:
        if named or len(values) != len(names):
            # Slower. Fills in the defaults, and raises TypeError for arguments that do not fit.
            bound = signature.bind(self, *values, **named)
            bound.apply_defaults()
            values = tuple(bound.arguments.values())[1:]
        sent: dict[str, Any] = {}
        for parameter, value, spread in zip(names, values, is_spread, strict=True):
            if spread:
                sent.update(_prefixed(value.parameters()))
            else:
                sent[parameter] = value
        found = await self._road.call(name, sent)
        return None if answer is None else _reader(answer).validate_python(found)

    return cast(Method, call)


def _prefixed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {f"p_{name}": value for name, value in parameters.items()}
