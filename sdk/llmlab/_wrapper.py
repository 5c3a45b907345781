"""A wrapper that makes a call and returns its latency, tokens and cost."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, TypedDict

from llmlab._cache import number_of
from llmlab._calls import MISSING
from llmlab._errors import ConfigurationError
from llmlab._track import NOTHING, Tracked
from llmlab._usage import Reading

# LLMLab's provider name by the module of the client.
_VENDORS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "mistralai": "mistral",
    "cohere": "cohere",
    "groq": "groq",
    "together": "together",
}


class Metrics(TypedDict):
    """Latency, tokens and cost in USD of a call; None where unknown."""

    latency_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    estimated_cost: Decimal | None


class CallResult(TypedDict):
    """The result of a call: the return value or the exception, metrics, and the id of the event in LLMLab."""

    success: bool
    response: Any
    error: Exception | None
    metrics: Metrics
    log_id: str | None


class _WrappedCall(Tracked):
    """A call that holds back its event, so that it can be sent with a request for its cost."""

    __slots__ = ("_event",)

    def __init__(self, provider: str, model: str, **options: Any) -> None:
        super().__init__(provider, model, **options)
        self._event: dict[str, Any] | None = None

    def send(self, seconds: float) -> Decimal | None:
        """Sends the event. Returns its cost if LLMLab answers within `seconds`."""
        event, self._event = self._event, None
        if event is None or self._runtime is None:
            return None
        return self._runtime.outbox.send_now(event, seconds)

    def reading(self) -> Reading:
        """The model and usage read from the answer."""
        return self._found or NOTHING

    @property
    def log_id(self) -> str | None:
        """The event's id, if the call is recorded."""
        return self.id if self._event is not None else None

    def _send(self, event: dict[str, Any]) -> None:
        if event.get("saving") is None:
            self._event = event
        else:
            super()._send(event)


class LLMObservabilityWrapper:
    """Makes calls through your functions, records each call, and returns its metrics.

    The provider is derived from the class of `client` unless you set `provider`. `client` has no other use, and may be
    the provider's name. `cost_timeout` is the time in seconds to wait for LLMLab's cost after the answer; with 0,
    `estimated_cost` is always None.
    """

    def __init__(
        self,
        client: Any,
        model: str,
        *,
        provider: str | None = None,
        project: str | None = None,
        tags: Mapping[str, str] | None = None,
        max_output_tokens: int | None = None,
        cost_timeout: float = 0.5,
    ) -> None:
        self.client = client
        self.model = model
        self.provider = provider or _provider_of(client)
        self._options = {"project": project, "tags": tags, "max_output_tokens": max_output_tokens}
        self._cost_timeout = cost_timeout

    def call_llm(self, fn: Callable[..., Any], prompt: Any, **options: Any) -> CallResult:
        """Calls `fn(prompt, **options)`, which returns the provider's response.

        An exception of `fn` is not raised again, but returned as `error`. Before `fn` is called, raises BudgetExceeded,
        ModelDisabled, TokenLimitExceeded or Unreachable.
        """
        call = self._call(prompt)
        if (answer := call.cached([number_of(fn), prompt, options])) is not MISSING:
            return _hit(call, answer)
        call.begin()
        started = time.perf_counter()
        error: Exception | None = None
        answer = None
        try:
            answer = call.response(fn(prompt, **options))
        except Exception as raised:
            error = raised
        except BaseException as raised:
            call.fail(raised)
            call.send(0)
            raise
        latency = (time.perf_counter() - started) * 1000
        call.__exit__(None, error, None)
        log_id = call.log_id
        cost = call.send(self._cost_timeout)
        if error is None:
            call.keep(answer)
        return _result(call, answer, error, latency, cost, log_id)

    async def acall_llm(self, fn: Callable[..., Awaitable[Any]], prompt: Any, **options: Any) -> CallResult:
        """Async version of `call_llm`."""
        call = self._call(prompt)
        if (answer := call.cached([number_of(fn), prompt, options])) is not MISSING:
            return _hit(call, answer)
        await call.abegin()
        started = time.perf_counter()
        error: Exception | None = None
        answer = None
        try:
            answer = call.response(await fn(prompt, **options))
        except Exception as raised:
            error = raised
        except BaseException as raised:
            call.fail(raised)
            call.send(0)
            raise
        latency = (time.perf_counter() - started) * 1000
        call.__exit__(None, error, None)
        log_id = call.log_id
        cost = await asyncio.to_thread(call.send, self._cost_timeout)
        if error is None:
            call.keep(answer)
        return _result(call, answer, error, latency, cost, log_id)

    def _call(self, prompt: Any) -> _WrappedCall:
        return _WrappedCall(self.provider, self.model, prompt=prompt, **self._options)


def _hit(call: _WrappedCall, answer: Any) -> CallResult:
    call.response(answer)
    return _result(call, answer, None, 0.0, Decimal(0), call.id)


def _result(
    call: _WrappedCall, answer: Any, error: Exception | None, latency: float, cost: Decimal | None, log_id: str | None
) -> CallResult:
    counts = call.reading().counts
    prompt, completion = counts.get("input_tokens"), counts.get("output_tokens")
    return {
        "success": error is None,
        "response": answer,
        "error": error,
        "metrics": {
            "latency_ms": latency,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": None if prompt is None or completion is None else prompt + completion,
            "estimated_cost": cost,
        },
        "log_id": log_id,
    }


def _provider_of(client: Any) -> str:
    if isinstance(client, str):
        return client
    for kind in type(client).__mro__:
        vendor = _VENDORS.get(kind.__module__.split(".")[0])
        if vendor is not None:
            return "azure" if "Azure" in kind.__name__ else vendor
    raise ConfigurationError(f"unknown client {type(client).__name__}; set its provider with provider=...")
