"""The tracking API: a decorator, a context manager, and a function that records a past call."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

from llmlab._cache import number_of
from llmlab._calls import MISSING, ObservedCall
from llmlab._logs import warn
from llmlab._usage import Reading, Stream, read

Function = TypeVar("Function", bound=Callable[..., Any])
NOTHING = Reading()
Tokens = int | Callable[..., int | None] | None


class Tracked(ObservedCall):
    """A call in a `with llmlab.track(...)` block. Use `call.response(...)` or `call.usage(...)` in the block."""

    __slots__ = ()

    def response(self, answer: Any) -> Any:
        """Reads model and usage from the provider's answer, and returns the answer."""
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
        """Sets the token counts of the call. `input_tokens` is the whole prompt, including cached tokens."""
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
    """A context manager for one model call; `async with` works too.

    With `enforce_budget`, budget is reserved for `input_tokens` and `max_output_tokens`.
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
    """A decorator for a function that makes one model call: plain, async, a generator or an async generator.

    The return value is passed on unchanged. The usage is read from the provider's response object, from a mapping that
    contains one, from the second part of a pair `(result, usage)`, or from the chunks of a generator. With
    `enforce_budget`, budget is reserved for `input_tokens` and `max_output_tokens`: numbers, or functions of the same
    arguments. Unless `cache` is false, answers may come from the cache if the workspace enables it; those of generators
    never do. A generator closed early is recorded as a success with the usage received so far.
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
            # Argument names could be mistaken for keys without text, so only the values are used.
            prompt=[arguments, *options.values()],
        )

    def decorate(function: Function) -> Function:
        number = number_of(function)
        tracked: Callable[..., Any]
        if inspect.isasyncgenfunction(function):

            async def tracked(*arguments: Any, **options: Any) -> AsyncGenerator[Any, Any]:
                call, stream = of(function, arguments, options), Stream()
                await call.abegin()
                inner = function(*arguments, **options)
                step = inner.asend(None)
                try:
                    while True:
                        try:
                            item = await step
                        except StopAsyncIteration:
                            break
                        _add(stream, item)
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
                    _end_early(call, stream, error)
                    raise
                _finish(call, stream)

        elif inspect.isgeneratorfunction(function):

            def tracked(*arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
                call, stream = of(function, arguments, options), Stream()
                call.begin()
                try:
                    value = yield from _watched(function(*arguments, **options), stream)
                except BaseException as error:
                    _end_early(call, stream, error)
                    raise
                _add(stream, value)
                _finish(call, stream)
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
    """Records a past call. Returns its id in LLMLab, or None if it is not recorded.

    Takes token counts (`input_tokens` is the whole prompt) or the provider's `response`. `cost` in USD overrides
    LLMLab's price. Calls with the same `id` count once.
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
        warn("read", "Could not read the usage of an answer", traceback=True)
        return None


def _add(stream: Stream, chunk: Any) -> None:
    try:
        stream.add(chunk)
    except Exception:
        warn("read", "Could not read the usage of a chunk", traceback=True)


def _finish(call: ObservedCall, stream: Stream) -> None:
    found = stream.reading() or NOTHING
    call.finish(response=found.response, usage=found.usage, model=found.model, call_id=found.call_id)


def _end_early(call: ObservedCall, stream: Stream, error: BaseException) -> None:
    """Records a stream that ended early, with the usage received so far, or at least the prompt.

    It is a success if the caller closed it, and an error otherwise.
    """
    found = stream.reading()
    if isinstance(error, GeneratorExit):
        if found is None and call.input_tokens is not None:
            call.finish(usage={"input_tokens": call.input_tokens, "output_tokens": 0})
        else:
            _finish(call, stream)
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
        warn("tokens", "Could not compute the token counts of a call", traceback=True)
        return None


def _watched(inner: Generator[Any, Any, Any], stream: Stream) -> Generator[Any, Any, Any]:
    """Like `yield from`, but adds each item to the stream."""
    try:
        item = next(inner)
        while True:
            _add(stream, item)
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
