"""One call of a vendor's client under observation. Nothing here raises into the user's call but a refusal."""

import atexit
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from llmlab import _runtime
from llmlab._calls import MISSING, ObservedCall
from llmlab._estimates import estimate_tokens, tokens_of_bytes
from llmlab._logs import complain
from llmlab.instruments.readers import Reader


class VendorError(Exception):
    """An error that a vendor sent instead of going on with its stream, by its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Observation:
    """Follows one call from its start to its one end: what the vendor reported, or else an estimate of it.

    `prompt` holds all the text that is sent. `cacheable` is all that the answer depends on, None for an answer that
    cannot be kept. `hides_usage` says that the caller did not ask for the usage in the stream.
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
        # Read when the event is made, so that what becomes known until then is in it.
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
        """Starts the call, which may be refused. Returns the answer it was given before, or MISSING."""
        if self._cacheable is not None and (kept := self._call.cached(self._cacheable)) is not MISSING:
            return kept[0]
        self._call.begin()
        return MISSING

    async def abegin(self) -> Any:
        """The same for async callers."""
        if self._cacheable is not None and (kept := self._call.cached(self._cacheable)) is not MISSING:
            return kept[0]
        await self._call.abegin()
        return MISSING

    def answered(self, told: Mapping[str, Any], answer: Any = None) -> None:
        """The whole answer is there: what it tells of the call, and what to give the next caller who asks the same."""
        self.reader.read(told)
        self.end()
        if answer is not None and self._cacheable is not None:
            self._call.keep((answer, self.reader.counts))

    def follow(self, stream: Any) -> None:
        """The call ends when nobody has the stream any more, if not before, and at the latest with the process."""
        weakref.finalize(stream, self.end).atexit = False
        _open.add(self)

    def end(self) -> None:
        """The call is over, or nobody reads on. Only its first end counts."""
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
            complain("instruments", "A call could not be recorded", fault=True)

    def failed(self, error: BaseException) -> None:
        """The call ended with an error, perhaps in the middle of its stream."""
        if not self._first():
            return
        try:
            self._fail(error)
        except Exception:
            complain("instruments", "A failed call could not be recorded", fault=True)

    def _first(self) -> bool:
        # One step, so that an end in another thread, or by the garbage collector in this one, is a second end.
        try:
            self._ends.pop()
        except IndexError:
            return False
        return True

    def _fail(self, error: BaseException) -> None:
        begun = bool(self.reader.usage or self.reader.text)
        usage = self._estimate() if begun else None
        self._call.fail(error, usage=usage, model=self.reader.model, call_id=self._call_id)

    def _estimate(self) -> dict[str, int]:
        """The usage as far as the vendor told it, the rest by the text; the event says so in its metadata."""
        self._notes["estimated"] = True
        counts = self.reader.counts or {"input_tokens": estimate_tokens(self._prompt)}
        return {**counts, "output_tokens": max(counts.get("output_tokens", 0), tokens_of_bytes(self.reader.text))}

    @property
    def _call_id(self) -> str | None:
        id = self.reader.call_id
        return id if isinstance(id, str) else None


class Gate:
    """Lets calls be observed until it is shut."""

    def __init__(self) -> None:
        self.open = True

    def observe(self, plan: Callable[..., Observation | None], *arguments: Any) -> Observation | None:
        """What `plan` makes of the call's arguments; None when it is none of our business."""
        try:
            return plan(*arguments) if self.open and _runtime.current() is not None else None
        except Exception:
            complain("instruments", "A call could not be observed", fault=True)
            return None


def guarded(look: Callable[..., object], *arguments: Any) -> None:
    """Looks at an answer; a mistake in doing so stays here."""
    try:
        look(*arguments)
    except Exception:
        complain("instruments", "An answer could not be read", fault=True)


def is_caching() -> bool:
    """Whether answers are kept to be given again."""
    runtime = _runtime.current()
    return runtime is not None and runtime.caching


def _is_limited() -> bool:
    """Whether anything depends on how long the prompt is: counting it takes its time."""
    runtime = _runtime.current()
    if runtime is None:
        return False
    policy = runtime.guard.policy
    return runtime.settings.enforce_budget or (policy is not None and policy.max_tokens_per_request is not None)


_open: "weakref.WeakSet[Observation]" = weakref.WeakSet()


def _at_exit() -> None:
    for seen in list(_open):
        seen.end()


# Before what is left is sent: last registered, first called.
atexit.register(_at_exit)
