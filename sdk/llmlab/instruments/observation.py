"""The observation of one client call. Only `begin` and `abegin` raise, and only if the call is refused."""

import atexit
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from llmlab import _runtime
from llmlab._calls import MISSING, ObservedCall
from llmlab._estimates import estimate_tokens, tokens_of_bytes
from llmlab._logs import warn
from llmlab.instruments.readers import Reader


class VendorError(Exception):
    """An error code that a provider sent in a stream."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Observation:
    """Follows one call from start to end, and records the reported or estimated usage once.

    `prompt` contains all text of the request. `cacheable` is everything that the answer depends on, or None if the
    answer cannot be cached. `hides_usage` removes the usage chunk, which the caller did not request, from the stream.
    """

    def __init__(
        self,
        provider: str,
        model: Any,
        reader: Reader,
        *,
        prompt: Any,
        max_output_tokens: Any = None,
        api_flavor: str | None = None,
        cacheable: Any = None,
        hides_usage: bool = False,
    ) -> None:
        self.reader = reader
        self.hides_usage = hides_usage
        self._prompt = prompt
        self._cacheable = cacheable
        self._ends = [None]
        # Read when the event is built, so that it contains notes added until then.
        self._notes: dict[str, Any] = {}
        self._call = ObservedCall(
            provider,
            model if isinstance(model, str) else None,
            input_tokens=estimate_tokens(prompt) if _is_limited() else None,
            max_output_tokens=max_output_tokens if isinstance(max_output_tokens, int) else None,
            metadata=self._notes,
            api_flavor=api_flavor,
        )

    def begin(self) -> Any:
        """Starts the call. Returns the cached answer, or MISSING. Raises like `ObservedCall.begin`."""
        if self._cacheable is not None and (cached := self._call.cached(self._cacheable)) is not MISSING:
            return cached[0]
        self._call.begin()
        return MISSING

    async def abegin(self) -> Any:
        """Async version of `begin`."""
        if self._cacheable is not None and (cached := self._call.cached(self._cacheable)) is not MISSING:
            return cached[0]
        await self._call.abegin()
        return MISSING

    def answered(self, data: Mapping[str, Any], answer: Any = None) -> None:
        """Records a complete answer. `data` is for the reader, `answer` is the object to cache."""
        self.reader.read(data)
        self.end()
        if answer is not None and self._cacheable is not None:
            self._call.keep((answer, self.reader.counts))

    def follow(self, stream: Any) -> None:
        """Ends the call when the stream is garbage collected or the process exits, if it has not ended before."""
        weakref.finalize(stream, self.end).atexit = False
        _open.add(self)

    def end(self) -> None:
        """Records the call. Only the first end of a call counts."""
        if not self._first():
            return
        try:
            reader = self.reader
            if reader.error is not None:
                self._fail(VendorError(reader.error))
            elif reader.complete:
                self._call.finish(response=reader.response, model=reader.model, call_id=self._call_id)
            else:
                self._call.finish(usage=self._estimate(), model=reader.model, call_id=self._call_id)
        except Exception:
            warn("instruments", "Could not record a call", traceback=True)

    def failed(self, error: BaseException) -> None:
        """Records a call that failed, also in the middle of a stream."""
        if not self._first():
            return
        try:
            self._fail(error)
        except Exception:
            warn("instruments", "Could not record a failed call", traceback=True)

    def unreadable(self) -> None:
        """Counts a call whose answer could not be read."""
        runtime = _runtime.current()
        if self._first() and runtime is not None:
            runtime.outbox.unreadable()

    def _first(self) -> bool:
        # `pop` is atomic: a second end in another thread or in the garbage collector finds the list empty.
        try:
            self._ends.pop()
        except IndexError:
            return False
        return True

    def _fail(self, error: BaseException) -> None:
        started = bool(self.reader.usage or self.reader.text)
        usage = self._estimate() if started else None
        self._call.fail(error, usage=usage, model=self.reader.model, call_id=self._call_id)

    def _estimate(self) -> dict[str, int]:
        """The reported usage, completed with estimates from the text. Marks the event as estimated in its metadata."""
        self._notes["estimated"] = True
        counts = self.reader.counts or {"input_tokens": estimate_tokens(self._prompt)}
        return {**counts, "output_tokens": max(counts.get("output_tokens", 0), tokens_of_bytes(self.reader.text))}

    @property
    def _call_id(self) -> str | None:
        id = self.reader.call_id
        return id if isinstance(id, str) else None


class Gate:
    """A switch that stops the observation of calls when the patch is removed."""

    def __init__(self) -> None:
        self.open = True

    def observe(self, plan: Callable[..., Observation | None], *arguments: Any) -> Observation | None:
        """The observation that `plan` makes from the call's arguments; None if the call is not recorded."""
        try:
            return plan(*arguments) if self.open and _runtime.current() is not None else None
        except Exception:
            warn("instruments", "Could not observe a call", traceback=True)
            return None


def taken(take: "Callable[[Observation, Any], None]", observation: Observation, answer: Any) -> None:
    """Passes an answer to its observation, and counts the call if the answer cannot be read."""
    try:
        take(observation, answer)
    except Exception:
        warn("instruments", "Could not read an answer", traceback=True)
        observation.unreadable()


def guarded(read: Callable[..., object], *arguments: Any) -> None:
    """Calls `read` and logs its exceptions, so that they do not reach the user's call."""
    try:
        read(*arguments)
    except Exception:
        warn("instruments", "Could not read an answer", traceback=True)


def is_caching() -> bool:
    """Whether responses are cached."""
    runtime = _runtime.current()
    return runtime is not None and runtime.caching


def _is_limited() -> bool:
    """Whether a budget or a token limit applies. Only then is the prompt estimated, which takes time."""
    runtime = _runtime.current()
    if runtime is None:
        return False
    policy = runtime.guard.policy
    return runtime.settings.enforce_budget or (policy is not None and policy.max_tokens_per_request is not None)


_open: "weakref.WeakSet[Observation]" = weakref.WeakSet()


def _at_exit() -> None:
    for observation in list(_open):
        observation.end()


# Registered after the runtime's handler, so it runs before that sends the remaining events.
atexit.register(_at_exit)
