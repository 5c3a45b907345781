"""Cohere: chat, chat_stream and embed of both versions of its API. It charges the units it calls billed."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Gate, Observation, guarded
from llmlab.instruments.patches import Function, Patch
from llmlab.instruments.readers import Reader, plain
from llmlab.instruments.streams import watch

_PROMPT = ("messages", "message", "chat_history", "preamble", "documents", "tools", "tool_results", "texts", "inputs")
# What Cohere's client passes for an argument that was not given.
_OMITTED = ...
_IDS = ("id", "response_id", "generation_id")


def patches() -> list[Patch]:
    """What to patch. Raises ImportError for a version that is made otherwise."""
    from cohere.raw_base_client import AsyncRawBaseCohere, RawBaseCohere
    from cohere.v2.raw_client import AsyncRawV2Client, RawV2Client

    wanted = []
    for client, aclient in ((RawBaseCohere, AsyncRawBaseCohere), (RawV2Client, AsyncRawV2Client)):
        wanted += [
            Patch(client, "chat", observed(_plan, _take)),
            Patch(aclient, "chat", aobserved(_plan, _take)),
            Patch(client, "embed", observed(_plan, _take)),
            Patch(aclient, "embed", aobserved(_plan, _take)),
            Patch(client, "chat_stream", _streamed),
            Patch(aclient, "chat_stream", _astreamed),
        ]
    return wanted


def _plan(_: Any, __: tuple[Any, ...], named: Mapping[str, Any], is_stream: bool = False) -> Observation | None:
    model, limit = named.get("model"), named.get("max_tokens")
    return Observation(
        "cohere",
        # Neither the call nor its answer say which model Cohere takes by itself.
        model if isinstance(model, str) else "default",
        ChatReader(),
        prompt=[named.get(name) for name in _PROMPT],
        max_output_tokens=limit,
        cacheable=None if is_stream else {name: value for name, value in named.items() if value is not _OMITTED},
    )


def _take(seen: Observation, answer: Any) -> None:
    data = answer.data
    told = {name: getattr(data, name, None) for name in ("id", "response_id", "generation_id")}
    usage = getattr(data, "usage", None) or getattr(data, "meta", None)
    seen.answered({**told, "usage": plain(usage)}, answer)


def _streamed(original: Function, gate: Gate) -> Function:
    @contextmanager
    def chat_stream(client: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        seen = gate.observe(_plan, client, arguments, named, True)
        if seen is None:
            with original(client, *arguments, **named) as answer:
                yield answer
            return
        seen.begin()
        with ExitStack() as stack:
            stack.callback(seen.end)
            try:
                answer = stack.enter_context(original(client, *arguments, **named))
            except BaseException as error:
                seen.failed(error)
                raise
            guarded(_follow, seen, answer)
            yield answer

    return chat_stream


def _astreamed(original: Function, gate: Gate) -> Function:
    @asynccontextmanager
    async def chat_stream(client: Any, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        seen = gate.observe(_plan, client, arguments, named, True)
        if seen is None:
            async with original(client, *arguments, **named) as answer:
                yield answer
            return
        await seen.abegin()
        async with AsyncExitStack() as stack:
            stack.callback(seen.end)
            try:
                answer = await stack.enter_async_context(original(client, *arguments, **named))
            except BaseException as error:
                seen.failed(error)
                raise
            guarded(_follow, seen, answer)
            yield answer

    return chat_stream


def _follow(seen: Observation, answer: Any) -> None:
    watch(answer._response, seen)


class ChatReader(Reader):
    """Chats and embeddings. A stream tells the usage in its last event; no answer tells its model."""

    def read(self, data: Mapping[str, Any]) -> bool:
        kind = str(data.get("type") or data.get("event_type") or "")
        self.call_id = self.call_id or next((data[name] for name in _IDS if data.get(name)), None)
        if kind == "content-delta":
            self._wrote(((data.get("delta") or {}).get("message") or {}).get("content", {}).get("text"))
        elif kind == "text-generation":
            self._wrote(data.get("text"))
        ended = data
        if kind == "message-end":
            ended = data.get("delta") or {}
        elif kind == "stream-end":
            ended = data.get("response") or {}
            self.call_id = self.call_id or ended.get("generation_id")
        usage = ended.get("usage") or ended.get("meta")
        if usage:
            billed = {"output_tokens": 0, **(usage.get("billed_units") or {})}
            self._count({**usage, "billed_units": billed} if usage.get("billed_units") else usage)
            self.complete = True
        return False
