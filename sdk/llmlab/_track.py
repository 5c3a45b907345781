"""How users' code says that it calls a model: a decorator, a context manager, and a function for what is past."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

from llmlab._cache import number_of
from llmlab._calls import MISSING, ObservedCall
from llmlab._logs import complain
from llmlab._usage import Reading, Stream, read

Function = TypeVar("Function", bound=Callable[..., Any])
NOTHING = Reading()
Tokens = int | Callable[..., int | None] | None


class Tracked(ObservedCall):
    """A call within `with llmlab.track(...)`: say `call.response(...)` or `call.usage(...)` before its end."""

    __slots__ = ()

    def response(self, answer: Any) -> Any:
        """Reads model and usage from the vendor's answer, and hands the answer back."""
        self._found = _read(answer) or self._found
        return answer

    def usage(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> None:
        """Says what the call used. `input_tokens` is the whole prompt, its cached part included."""
        counts = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cache_read_tokens": cache_read_tokens,
            "cache_write_tokens": cache_write_tokens,
            "cache_write_1h_tokens": cache_write_1h_tokens,
            "reasoning_tokens": reasoning_tokens,
        }
        self._found = (self._found or NOTHING)._replace(usage=counts)

    def __enter__(self) -> "Tracked":
        self.begin()
        return self

    async def __aenter__(self) -> "Tracked":
        await self.abegin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._found is None:
            self.fail(error)
        else:
            self._end("success", self._found or NOTHING)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def track(
    provider: str,
    model: str | None = None,
    *,
    project: str | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    input_tokens: int | None = None,
    max_output_tokens: int | None = None,
    api_flavor: str | None = None,
) -> Tracked:
    """A context manager around one call of a model; `async with` works too.

    `input_tokens` and `max_output_tokens` are what to hold money for when budgets are enforced.
    """
    return Tracked(
        provider,
        model,
        project=project,
        tags=tags,
        metadata=metadata,
        input_tokens=input_tokens,
        max_output_tokens=max_output_tokens,
        api_flavor=api_flavor,
    )


def track_cost(
    provider: str,
    model: str | None = None,
    *,
    project: str | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    input_tokens: Tokens = None,
    max_output_tokens: Tokens = None,
    cache: bool = True,
    api_flavor: str | None = None,
) -> Callable[[Function], Function]:
    """A decorator for a function that makes one call of a model; it may be async, a generator, or both.

    The function's answer is handed on as it is. Its usage is read from the vendor's response object, from a mapping
    that has one, from the second part of a pair `(result, usage)`, or from the chunks that a generator yields.
    `input_tokens` and `max_output_tokens` are what to hold money for when budgets are enforced: numbers, or functions
    of the same arguments. Unless `cache` is false, answers may come from the cache when the workspace has that enabled;
    those of generators never do. A generator that its reader leaves early is a success that cost what had arrived.
    """

    def of(function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Tracked:
        return Tracked(
            provider,
            model,
            project=project,
            tags=tags,
            metadata=metadata,
            input_tokens=_tokens(input_tokens, arguments, options),
            max_output_tokens=_tokens(max_output_tokens, arguments, options),
            api_flavor=api_flavor,
            # Names that the user chose say nothing of what is in them.
            prompt=[arguments, *options.values()],
        )

    def decorate(function: Function) -> Function:
        number = number_of(function)
        tracked: Callable[..., Any]
        if inspect.isasyncgenfunction(function):

            async def tracked(*arguments: Any, **options: Any) -> AsyncGenerator[Any, Any]:
                call, seen = of(function, arguments, options), Stream()
                await call.abegin()
                inner = function(*arguments, **options)
                step = inner.asend(None)
                try:
                    while True:
                        try:
                            item = await step
                        except StopAsyncIteration:
                            break
                        _look(seen, item)
                        try:
                            sent = yield item
                        except GeneratorExit:
                            await inner.aclose()
                            raise
                        except BaseException as error:
                            step = inner.athrow(error)
                        else:
                            step = inner.asend(sent)
                except BaseException as error:
                    _cut_short(call, seen, error)
                    raise
                _finish(call, seen)

        elif inspect.isgeneratorfunction(function):

            def tracked(*arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
                call, seen = of(function, arguments, options), Stream()
                call.begin()
                try:
                    value = yield from _watched(function(*arguments, **options), seen)
                except BaseException as error:
                    _cut_short(call, seen, error)
                    raise
                _look(seen, value)
                _finish(call, seen)
                return value

        elif inspect.iscoroutinefunction(function):

            async def tracked(*arguments: Any, **options: Any) -> Any:
                call = of(function, arguments, options)
                if cache and (answer := call.cached([number, arguments, options])) is not MISSING:
                    return answer
                async with call:
                    answer = call.response(await function(*arguments, **options))
                call.keep(answer)
                return answer

        else:

            def tracked(*arguments: Any, **options: Any) -> Any:
                call = of(function, arguments, options)
                if cache and (answer := call.cached([number, arguments, options])) is not MISSING:
                    return answer
                with call:
                    answer = call.response(function(*arguments, **options))
                call.keep(answer)
                return answer

        return cast("Function", functools.wraps(function)(tracked))

    return decorate


def log_call(
    provider: str,
    model: str | None = None,
    *,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    reasoning_tokens: int = 0,
    response: Any = None,
    cost: Decimal | None = None,
    latency_ms: float | None = None,
    status: Literal["success", "error", "timeout"] = "success",
    error_message: str | None = None,
    project: str | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    timestamp: datetime | None = None,
    id: str | None = None,
) -> str | None:
    """Records a call that has been made; returns its id in LLMLab, or None if it is not recorded.

    Takes the token counts, of which `input_tokens` is the whole prompt, or the vendor's `response`. `cost` is USD, if
    you know better than LLMLab's price list. `id` makes it harmless to record the same call again.
    """
    call = ObservedCall(provider, model, project=project, tags=tags, metadata=metadata)
    found = (_read(response) if response is not None else None) or NOTHING
    if input_tokens is not None or output_tokens is not None:
        found = found._replace(
            usage={
                "input_tokens": input_tokens or 0,
                "output_tokens": output_tokens or 0,
                "cache_read_tokens": cache_read_tokens,
                "cache_write_tokens": cache_write_tokens,
                "cache_write_1h_tokens": cache_write_1h_tokens,
                "reasoning_tokens": reasoning_tokens,
            }
        )
    given: dict[str, Any] = {"cost": cost, "latency_ms": latency_ms, "error_message": error_message}
    if timestamp is not None:
        given["timestamp"] = timestamp.astimezone()
    return call.past(status, found, given, id)


def _read(answer: Any) -> Reading | None:
    try:
        return read(answer)
    except Exception:
        complain("read", "The usage of an answer could not be read", fault=True)
        return None


def _look(seen: Stream, chunk: Any) -> None:
    try:
        seen.look(chunk)
    except Exception:
        complain("read", "The usage of a chunk could not be read", fault=True)


def _finish(call: ObservedCall, seen: Stream) -> None:
    found = seen.reading() or NOTHING
    call.finish(response=found.response, usage=found.usage, model=found.model, call_id=found.call_id)


def _cut_short(call: ObservedCall, seen: Stream, error: BaseException) -> None:
    """A stream that ends early has cost what its last report says, at least the prompt.

    It is a success if its reader chose to leave it, and an error if it broke.
    """
    found = seen.reading()
    if isinstance(error, GeneratorExit):
        if found is None and call.input_tokens is not None:
            call.finish(usage={"input_tokens": call.input_tokens, "output_tokens": 0})
        else:
            _finish(call, seen)
    elif found is not None:
        call.fail(error, usage=found.counts, model=found.model, call_id=found.call_id)
    else:
        call.fail(error)


def _tokens(given: Tokens, arguments: tuple[Any, ...], options: dict[str, Any]) -> int | None:
    if not callable(given):
        return given
    try:
        return given(*arguments, **options)
    except Exception:
        complain("tokens", "How many tokens a call may take could not be told", fault=True)
        return None


def _watched(inner: Generator[Any, Any, Any], seen: Stream) -> Generator[Any, Any, Any]:
    """`yield from`, with a look at what is yielded."""
    try:
        item = next(inner)
        while True:
            _look(seen, item)
            try:
                sent = yield item
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:
                item = inner.throw(error)
            else:
                item = inner.send(sent)
    except StopIteration as end:
        return end.value
