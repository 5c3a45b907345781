"""One call of a model, from before it is made until what it used is on its way to LLMLab."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from llmlab import _runtime
from llmlab._errors import LLMLabError
from llmlab._estimates import estimate_tokens
from llmlab._ids import event_id, id_of_response, next_number
from llmlab._logs import complain
from llmlab._usage import Reading, pick

MISSING: Final = object()
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ObservedCall:
    """One model call under way. Nothing in it ever raises into the user's call, except what `begin` may refuse."""

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
        "_runtime",
        "_started",
        "_tags",
        "_timestamp",
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
        # Only to guess its tokens, when money is to be held for the call and nobody said how many they are.
        self._prompt = prompt
        self._runtime = _runtime.current()
        self._reservation_id: str | None = None
        self._cache_key: str | None = None
        self._done = False
        self._found: Reading | None = None
        self._id: str | None = None
        self._number = 0
        self._timestamp = self._started = 0.0

    @property
    def id(self) -> str:
        """The id of the event. It may become another one at the end, when the vendor's id of the call is known."""
        if self._id is None:
            self._id = event_id(self._timestamp, self._number)
        return self._id

    # Before the call

    def begin(self) -> None:
        """Starts the clock. With enforce_budget holds the money for the call.

        Raises ModelDisabled and TokenLimitExceeded if the workspace's settings do not allow the call, BudgetExceeded if
        a hard budget has not enough left, and Unreachable if LLMLab cannot be asked and that is to refuse calls.
        """
        runtime = self._runtime
        if runtime is not None:
            if runtime.settings.enforce_budget:
                self._reservation_id = runtime.guard.admit(self._planned())
            else:
                runtime.obey(self.model, self.input_tokens, self._max_output_tokens)
        self._start()

    async def abegin(self) -> None:
        """The same for async callers, without blocking their loop."""
        runtime = self._runtime
        if runtime is not None:
            if runtime.settings.enforce_budget:
                self._reservation_id = await self._admitted()
            else:
                runtime.obey(self.model, self.input_tokens, self._max_output_tokens)
        self._start()

    async def _admitted(self) -> str | None:
        assert self._runtime is not None
        guard = self._runtime.guard
        asked = guard.submit(self._planned())
        try:
            return await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            # Nobody will make the call that the money is held for.
            asked.add_done_callback(guard.give_back)
            raise

    def cached(self, arguments: Any) -> Any:
        """The answer the same call was given before, or MISSING; to be asked before `begin`.

        `arguments` is all that the answer depends on beside provider and model, as JSON would hold it or as pydantic
        models; anything else is not cached. A hit is recorded as a call that cost nothing. Raises as `begin` does if
        the workspace's settings do not allow the call.
        """
        runtime = self._runtime
        if runtime is None or not runtime.caching:
            return MISSING
        runtime.obey(self.model, self.input_tokens, self._max_output_tokens)
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
            complain("cache", "A response could not be taken from the cache", fault=True)
            return MISSING

    def keep(self, answer: Any) -> None:
        """Puts the answer into the cache, if `cached` said MISSING; to be called after `finish`."""
        if self._runtime is not None and self._cache_key is not None:
            try:
                self._runtime.cache.put(self._cache_key, answer, self.id, self.model)
            except Exception:
                complain("cache", "A response could not be put into the cache", fault=True)

    # After it

    def finish(
        self,
        *,
        response: Mapping[str, Any] | None = None,
        usage: Mapping[str, int] | None = None,
        model: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """The call succeeded. Takes the vendor's own response body, or counts in LLMLab's names.

        Of a response only the model and the usage are sent, never text. `call_id` is the vendor's id of the response:
        the same call arriving by another way is then counted once.
        """
        picked = None if response is None else pick(response)
        if model is None and picked is not None:
            told = picked.get("model") or picked.get("modelVersion") or picked.get("model_version")
            model = told if isinstance(told, str) else None
        self._end("success", Reading(picked, usage, model, call_id))

    def fail(
        self,
        error: BaseException,
        *,
        usage: Mapping[str, int] | None = None,
        model: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """The call failed, having used nothing unless `usage` says what.

        Of the error only its kind is sent, for its text may quote the prompt.
        """
        status = "timeout" if _is_timeout(error) else "error"
        self._end(status, Reading(None, usage, model, call_id), {"error_message": _kind(error)})

    def past(self, status: str, found: Reading, given: dict[str, Any], id: str | None) -> str | None:
        """Records a call that was made before, with the facts that are given; returns its id if it is recorded."""
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
        """Records the call unless that has been done; returns whether it is."""
        if self._runtime is None or self._done:
            return False
        self._done = True
        try:
            facts: dict[str, Any] = {"status": status, "model": found.model or self.model}
            if found.usage is not None:
                facts.update(input_tokens=0, output_tokens=0)
                facts.update(found.usage)
            elif found.response is not None:
                # Cleaned when it is written for sending, which is not on the caller's time.
                facts["response"] = found.response
                facts["api_flavor"] = self._api_flavor
            elif status != "success":
                facts.update(input_tokens=0, output_tokens=0, model=facts["model"] or "unknown")
            else:
                self._runtime.outbox.unreadable()
                return False
            self._id = id_of_response(self.provider, found.call_id) or self._id
            if given:
                facts.update(given)
            self._record(facts)
        except Exception:
            complain("record", "A call could not be recorded", fault=True)
            return False
        return True

    def _record(self, facts: dict[str, Any]) -> None:
        """Puts the event together and sends it on its way."""
        runtime = self._runtime
        assert runtime is not None
        settings = runtime.settings
        event: dict[str, Any] = {
            "id": self._id,
            "number": self._number,
            "provider": self.provider,
            "timestamp": self._timestamp,
            "latency_ms": (time.perf_counter() - self._started) * 1000,
            "project": self._project or settings.project,
            "metadata": self._metadata,
            "reservation_id": self._reservation_id,
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
    """An error without its text: its class, and the HTTP status and the code that vendors' errors carry."""
    kind = type(error).__name__
    if isinstance(error, LLMLabError):
        return kind
    status, code = getattr(error, "status_code", None), getattr(error, "code", None)
    if isinstance(status, int):
        kind += f" (HTTP {status})"
    if isinstance(code, str) and _CODE.fullmatch(code):
        kind += f": {code}"
    return kind
