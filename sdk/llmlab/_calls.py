"""One model call: policy and budget checks before it, and its event after it."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from llmlab import _runtime
from llmlab._errors import LLMLabError
from llmlab._estimates import estimate_tokens
from llmlab._ids import event_id, is_unique, next_number
from llmlab._logs import warn
from llmlab._usage import Reading, pick

MISSING: Final = object()
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ObservedCall:
    """One model call. Only `begin`, `abegin` and `cached` raise, and only if the call is refused."""

    __slots__ = (
        "_api_flavor",
        "_cache_key",
        "_done",
        "_found",
        "_id",
        "_max_output_tokens",
        "_metadata",
        "_number",
        "_project",
        "_prompt",
        "_reservation_id",
        "_response_id",
        "_runtime",
        "_started",
        "_tags",
        "_timestamp",
        "_unchecked",
        "input_tokens",
        "model",
        "provider",
    )

    def __init__(
        self,
        provider: str,
        model: str | None,
        *,
        input_tokens: int | None = None,
        max_output_tokens: int | None = None,
        project: str | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        api_flavor: str | None = None,
        prompt: Any = None,
    ) -> None:
        self.provider = provider
        self.model = model
        self.input_tokens = input_tokens
        self._max_output_tokens = max_output_tokens
        self._project = project
        self._tags = tags
        self._metadata = metadata
        self._api_flavor = api_flavor
        # Used only to estimate the prompt's tokens for a reservation without `input_tokens`.
        self._prompt = prompt
        self._runtime = _runtime.current()
        self._reservation_id: str | None = None
        self._unchecked = False
        self._cache_key: str | None = None
        self._done = False
        self._found: Reading | None = None
        self._id: str | None = None
        self._response_id: str | None = None
        self._number = 0
        self._timestamp = self._started = 0.0

    @property
    def id(self) -> str:
        """The id of the event. It changes at the end of the call if the provider's response has an id."""
        if self._response_id is not None:
            return self._response_id
        if self._id is None:
            self._id = event_id(self._timestamp, self._number)
        return self._id

    # Before the call

    def begin(self) -> None:
        """Starts the clock. With enforce_budget, reserves budget for the call.

        Raises ModelDisabled or TokenLimitExceeded if the workspace's policy forbids the call, BudgetExceeded if a hard
        budget has too little left, and Unreachable if LLMLab cannot be reached and `on_unreachable` is `refuse`.
        """
        runtime = self._runtime
        if runtime is not None:
            if runtime.settings.enforce_budget:
                self._reservation_id = runtime.guard.admit(self._planned())
                self._unchecked = self._reservation_id is None
            else:
                runtime.check_policy(self.model, self.input_tokens, self._max_output_tokens)
        self._start()

    async def abegin(self) -> None:
        """Async version of `begin`. Does not block the event loop."""
        runtime = self._runtime
        if runtime is not None:
            if runtime.settings.enforce_budget:
                self._reservation_id = await self._reserve()
                self._unchecked = self._reservation_id is None
            else:
                runtime.check_policy(self.model, self.input_tokens, self._max_output_tokens)
        self._start()

    async def _reserve(self) -> str | None:
        assert self._runtime is not None
        guard, planned = self._runtime.guard, self._planned()
        if (taken := guard.take(planned)) is not None:
            return taken
        reservation = guard.submit(planned)
        try:
            return await asyncio.wrap_future(reservation)
        except asyncio.CancelledError:
            # The call will not be made, so release its reservation.
            reservation.add_done_callback(guard.release)
            raise

    def cached(self, arguments: Any) -> Any:
        """The cached answer of an equal call, or MISSING. Call it before `begin`.

        `arguments` is everything that the answer depends on besides provider and model. It must consist of JSON values
        and pydantic models; otherwise the call is not cached. A hit is recorded as a call that cost 0. Raises
        ModelDisabled or TokenLimitExceeded if the workspace's policy forbids the call.
        """
        runtime = self._runtime
        if runtime is None or not runtime.caching:
            return MISSING
        runtime.check_policy(self.model, self.input_tokens, self._max_output_tokens)
        try:
            self._cache_key = runtime.cache.key(self.provider, self.model, arguments)
            found = None if self._cache_key is None else runtime.cache.get(self._cache_key)
            if found is None:
                return MISSING
            answer, saving = found
            self._start()
            model = saving.model or self.model or "unknown"
            self._done = True
            self._record({"model": model, "input_tokens": 0, "output_tokens": 0, "cost": 0, "saving": saving})
            return answer
        except Exception:
            warn("cache", "Could not read a response from the cache", traceback=True)
            return MISSING

    def keep(self, answer: Any) -> None:
        """Caches the answer if `cached` returned MISSING. Call it after `finish`."""
        if self._runtime is not None and self._cache_key is not None:
            try:
                self._runtime.cache.put(self._cache_key, answer, self.id, self.model)
            except Exception:
                warn("cache", "Could not store a response in the cache", traceback=True)

    # After the call

    def finish(
        self,
        *,
        response: Mapping[str, Any] | None = None,
        usage: Mapping[str, int] | None = None,
        model: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """Records a successful call, with the provider's response body or counts in LLMLab's names.

        Only the model and the usage of a response are sent, never text. `call_id` is the provider's id of the response;
        if the same call is also recorded in another way, it counts once.
        """
        picked = None if response is None else pick(response)
        if model is None and picked is not None:
            value = picked.get("model") or picked.get("modelVersion") or picked.get("model_version")
            model = value if isinstance(value, str) else None
        self._end("success", Reading(picked, usage, model, call_id))

    def fail(
        self,
        error: BaseException,
        *,
        usage: Mapping[str, int] | None = None,
        model: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """Records a failed call, with 0 tokens unless `usage` is given.

        Only the kind of the error is sent, because its text may quote the prompt.
        """
        status = "timeout" if _is_timeout(error) else "error"
        self._end(status, Reading(None, usage, model, call_id), {"error_message": _kind(error)})

    def past(self, status: str, found: Reading, given: dict[str, Any], id: str | None) -> str | None:
        """Records a call made earlier, with the given fields. Returns its id if it is recorded."""
        self._start()
        self._id = id
        if id is not None:
            found = found._replace(call_id=None)
        recorded = self._end(status, found, {"latency_ms": None, **given})
        return self.id if recorded else None

    def _planned(self) -> dict[str, Any]:
        assert self._runtime is not None
        settings = self._runtime.settings
        if self.input_tokens is None and self._prompt is not None:
            input_tokens: int | None = estimate_tokens(self._prompt)
        else:
            input_tokens = self.input_tokens
        return {
            "provider": self.provider,
            "model": self.model,
            "input_tokens": input_tokens,
            "max_output_tokens": self._max_output_tokens,
            "project": self._project or settings.project,
            "tags": {**settings.tags, **(self._tags or {})},
        }

    def _start(self) -> None:
        self._number = next_number()
        self._timestamp = time.time()
        self._started = time.perf_counter()

    def _end(self, status: str, found: Reading, given: dict[str, Any] | None = None) -> bool:
        """Records the call unless it was recorded before. Returns whether it did."""
        if self._runtime is None or self._done:
            return False
        self._done = True
        try:
            facts: dict[str, Any] = {"status": status, "model": found.model or self.model}
            if found.usage is not None:
                facts.update(input_tokens=0, output_tokens=0)
                facts.update(found.usage)
            elif found.response is not None:
                # Reduced to its usage later, in the sending thread, to save the caller's time.
                facts["response"] = found.response
                facts["api_flavor"] = self._api_flavor
            elif status != "success":
                facts.update(input_tokens=0, output_tokens=0, model=facts["model"] or "unknown")
            else:
                self._runtime.outbox.unreadable()
                return False
            if is_unique(found.call_id):
                self._response_id = found.call_id
            if given:
                facts.update(given)
            self._record(facts)
        except Exception:
            warn("record", "Could not record a call", traceback=True)
            return False
        return True

    def _record(self, facts: dict[str, Any]) -> None:
        """Builds the event and puts it in the outbox."""
        runtime = self._runtime
        assert runtime is not None
        settings = runtime.settings
        event: dict[str, Any] = {
            "id": self._id if self._response_id is None else None,
            "response_id": self._response_id,
            "number": self._number,
            "provider": self.provider,
            "timestamp": self._timestamp,
            "latency_ms": (time.perf_counter() - self._started) * 1000,
            "project": self._project or settings.project,
            "metadata": self._metadata,
            "reservation_id": self._reservation_id,
            "unchecked": self._unchecked or None,
        }
        if settings.tags and self._tags:
            event["tags"] = {**settings.tags, **self._tags}
        else:
            event["tags"] = self._tags or settings.tags or None
        event.update(facts)
        self._send(event)

    def _send(self, event: dict[str, Any]) -> None:
        assert self._runtime is not None
        self._runtime.outbox.put(event)


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError | asyncio.TimeoutError) or "timeout" in type(error).__name__.lower()


def _kind(error: BaseException) -> str:
    """The error without its text: its class, and the HTTP status and code of a provider's error."""
    kind = type(error).__name__
    if isinstance(error, LLMLabError):
        return kind
    status, code = getattr(error, "status_code", None), getattr(error, "code", None)
    if isinstance(status, int):
        kind += f" (HTTP {status})"
    if isinstance(code, str) and _CODE.fullmatch(code):
        kind += f": {code}"
    return kind
