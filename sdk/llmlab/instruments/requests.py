"""Clients made as OpenAI's and Anthropic's are: each call is one `request(cast_to, options)`, retries and all, and
answers a model, a stream over an HTTP response, or a wrapper around one that was not parsed.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Observation, is_caching
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import plain
from llmlab.instruments.streams import watch

_RAW = "x-stainless-raw-response"


def client_patches(client: type, aclient: type, plan: Callable[[Any, Any, Any], Observation | None]) -> list[Patch]:
    """Patches both clients. `plan(client, options, cacheable)` says what to observe."""

    def planned(client: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Observation | None:
        return plan(client, *_options(*arguments, **named))

    return [
        Patch(client, "request", observed(planned, _take)),
        Patch(aclient, "request", aobserved(planned, _take)),
    ]


def _options(cast_to: Any, options: Any, *_: Any, stream: bool = False, **__: Any) -> tuple[Any, Any]:
    """The options of a request, and all that its answer depends on: None if the answer is more than a model."""
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
    """The arguments without those that stand for nothing."""
    if not isinstance(arguments, Mapping):
        return {}
    return {name: value for name, value in arguments.items() if type(value).__name__ not in ("NotGiven", "Omit")}


def _take(seen: Observation, answer: Any) -> None:
    if hasattr(answer, "model_dump"):
        told = {"id": getattr(answer, "id", None), "model": getattr(answer, "model", None)}
        seen.answered({**told, "usage": plain(getattr(answer, "usage", None))}, answer)
        return
    # A wrapper has the HTTP response as `http_response`, a stream as `response`.
    response = getattr(answer, "http_response", None) or getattr(answer, "response", answer)
    if response.is_closed:
        seen.answered(json.loads(response.content))
    else:
        watch(response, seen)
