"""Wrappers of methods that answer a whole call, sync and async."""

from collections.abc import Callable, Mapping
from typing import Any

from llmlab._calls import MISSING
from llmlab.instruments.observation import Gate, Observation, guarded
from llmlab.instruments.patches import Function

Plan = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Observation | None]
Take = Callable[[Observation, Any], None]


def observed(plan: Plan, take: Take) -> Callable[[Function, Gate], Function]:
    """Wraps a method. `plan` says by its arguments what to observe, `take` gives the observation what is answered."""

    def wrap(original: Function, gate: Gate) -> Function:
        def method(client: Any, *arguments: Any, **named: Any) -> Any:
            seen = gate.observe(plan, client, arguments, named)
            if seen is None:
                return original(client, *arguments, **named)
            if (known := seen.begin()) is not MISSING:
                return known
            try:
                answer = original(client, *arguments, **named)
            except BaseException as error:
                seen.failed(error)
                raise
            guarded(take, seen, answer)
            return answer

        return method

    return wrap


def aobserved(plan: Plan, take: Take) -> Callable[[Function, Gate], Function]:
    """The same for async methods."""

    def wrap(original: Function, gate: Gate) -> Function:
        async def method(client: Any, *arguments: Any, **named: Any) -> Any:
            seen = gate.observe(plan, client, arguments, named)
            if seen is None:
                return await original(client, *arguments, **named)
            if (known := await seen.abegin()) is not MISSING:
                return known
            try:
                answer = await original(client, *arguments, **named)
            except BaseException as error:
                seen.failed(error)
                raise
            guarded(take, seen, answer)
            return answer

        return method

    return wrap
