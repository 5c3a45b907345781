"""Wrappers for client methods that make one call, sync and async."""

from collections.abc import Callable, Mapping
from typing import Any

from llmlab._calls import MISSING
from llmlab.instruments.observation import Gate, Observation, taken
from llmlab.instruments.patches import Function

Plan = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Observation | None]
Take = Callable[[Observation, Any], None]


def observed(plan: Plan, take: Take) -> Callable[[Function, Gate], Function]:
    """Wraps a method. `plan` makes an observation from its arguments, `take` passes it the answer."""

    def wrap(original: Function, gate: Gate) -> Function:
        def method(client: Any, *arguments: Any, **named: Any) -> Any:
            observation = gate.observe(plan, client, arguments, named)
            if observation is None:
                return original(client, *arguments, **named)
            if (cached := observation.begin()) is not MISSING:
                return cached
            try:
                answer = original(client, *arguments, **named)
            except BaseException as error:
                observation.failed(error)
                raise
            taken(take, observation, answer)
            return answer

        return method

    return wrap


def aobserved(plan: Plan, take: Take) -> Callable[[Function, Gate], Function]:
    """Async version of `observed`."""

    def wrap(original: Function, gate: Gate) -> Function:
        async def method(client: Any, *arguments: Any, **named: Any) -> Any:
            observation = gate.observe(plan, client, arguments, named)
            if observation is None:
                return await original(client, *arguments, **named)
            if (cached := await observation.abegin()) is not MISSING:
                return cached
            try:
                answer = await original(client, *arguments, **named)
            except BaseException as error:
                observation.failed(error)
                raise
            taken(take, observation, answer)
            return answer

        return method

    return wrap
