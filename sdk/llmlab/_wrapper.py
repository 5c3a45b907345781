"""Calls through one function that also says what they took and cost."""

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

# The module of a vendor's client, and what LLMLab calls the vendor.
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
    """Time and tokens of a call, and USD as LLMLab recorded it; None where it is not known."""

    latency_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    estimated_cost: Decimal | None


class CallResult(TypedDict):
    """What became of a call: what the function returned or what it raised, and the id of the event in LLMLab."""

    success: bool
    response: Any
    error: Exception | None
    metrics: Metrics
    log_id: str | None


class _AskedCall(Tracked):
    """A call whose event waits, so that the answer to it can be asked for."""

    __slots__ = ("_event",)

    def __init__(self, provider: str, model: str, **options: Any) -> None:
        super().__init__(provider, model, **options)
        self._event: dict[str, Any] | None = None

    def ask(self, seconds: float) -> Decimal | None:
        """Records the event; returns its cost if LLMLab says so within that time."""
        event, self._event = self._event, None
        if event is None or self._runtime is None:
            return None
        return self._runtime.outbox.tell(event, seconds)

    def reading(self) -> Reading:
        """What was read of the answer."""
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
    """Makes calls through functions of yours, records each, and says what it took.

    The provider is told from the client's class unless it is named; `client` is used for nothing else, and may be
    the provider's name. `cost_timeout` is how many seconds to wait for LLMLab to say what a call cost, after it has
    been answered; with 0 `estimated_cost` is always None.
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
        """Calls `fn(prompt, **options)`, which returns the vendor's response; says what became of it.

        What `fn` raises is not raised again: it is the `error` of the result. What LLMLab refuses is raised, before
        `fn` is called: BudgetExceeded, ModelDisabled, TokenLimitExceeded, Unreachable.
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
            call.ask(0)
            raise
        latency = (time.perf_counter() - started) * 1000
        call.__exit__(None, error, None)
        log_id = call.log_id
        cost = call.ask(self._cost_timeout)
        if error is None:
            call.keep(answer)
        return _result(call, answer, error, latency, cost, log_id)

    async def acall_llm(self, fn: Callable[..., Awaitable[Any]], prompt: Any, **options: Any) -> CallResult:
        """The same for an async function."""
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
            call.ask(0)
            raise
        latency = (time.perf_counter() - started) * 1000
        call.__exit__(None, error, None)
        log_id = call.log_id
        cost = await asyncio.to_thread(call.ask, self._cost_timeout)
        if error is None:
            call.keep(answer)
        return _result(call, answer, error, latency, cost, log_id)

    def _call(self, prompt: Any) -> _AskedCall:
        return _AskedCall(self.provider, self.model, prompt=prompt, **self._options)


def _hit(call: _AskedCall, answer: Any) -> CallResult:
    call.response(answer)
    return _result(call, answer, None, 0.0, Decimal(0), call.id)


def _result(
    call: _AskedCall, answer: Any, error: Exception | None, latency: float, cost: Decimal | None, log_id: str | None
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
    raise ConfigurationError(f"which provider {type(client).__name__} calls is not known; name it: provider=...")
