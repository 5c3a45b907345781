"""Patches for clients with the design of OpenAI's and Anthropic's.

Each call, including its retries, is one `request(cast_to, options)`. It returns a model, a stream over an HTTP
response, or a wrapper around a response that was not parsed.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Observation, is_caching
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import as_dict
from llmlab.instruments.streams import watch

_RAW = "x-stainless-raw-response"


def client_patches(client: type, aclient: type, plan: Callable[[Any, Any, Any], Observation | None]) -> list[Patch]:
    """The patches for both clients. `plan(client, options, cacheable)` makes the observation."""

    def planned(client: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Observation | None:
        return plan(client, *_options(*arguments, **named))

    return [
        Patch(client, "request", observed(planned, _take)),
        Patch(aclient, "request", aobserved(planned, _take)),
    ]


def _options(cast_to: Any, options: Any, *_: Any, stream: bool = False, **__: Any) -> tuple[Any, Any]:
    """The options of a request, and everything that its answer depends on, or None if it cannot be cached."""
    if stream or not is_caching():
        return options, None
    headers = _given(options.headers)
    if any(name.lower() == _RAW for name in headers):
        return options, None
    return options, [
        options.url,
        repr(cast_to),
        headers,
        _given(options.json_data),
        getattr(options, "extra_json", None),
    ]


def _given(arguments: Any) -> dict[str, Any]:
    """The arguments without placeholders for omitted ones."""
    if not isinstance(arguments, Mapping):
        return {}
    return {name: value for name, value in arguments.items() if type(value).__name__ not in ("NotGiven", "Omit")}


def _take(observation: Observation, answer: Any) -> None:
    if isinstance(answer, Mapping):
        # `client.post(url, cast_to=object)` returns the body.
        observation.answered(answer)
        return
    if hasattr(answer, "model_dump"):
        data = {"id": getattr(answer, "id", None), "model": getattr(answer, "model", None)}
        observation.answered({**data, "usage": as_dict(getattr(answer, "usage", None))}, answer)
        return
    # The HTTP response is `http_response` of a wrapper and `response` of a stream.
    response = getattr(answer, "http_response", None) or getattr(answer, "response", answer)
    if response.is_closed:
        observation.answered(json.loads(response.content))
    else:
        watch(response, observation)
