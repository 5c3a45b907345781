"""Cohere: chat, chat_stream and embed of both API versions. Costs are based on its billed units."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Gate, Observation, guarded
from llmlab.instruments.patches import Function, Patch
from llmlab.instruments.readers import Reader, as_dict
from llmlab.instruments.streams import watch

_PROMPT = ("messages", "message", "chat_history", "preamble", "documents", "tools", "tool_results", "texts", "inputs")
# Cohere's default for omitted arguments.
_OMITTED = ...
_IDS = ("id", "response_id", "generation_id")


def patches() -> list[Patch]:
    """The patches for the client. Raises ImportError for unsupported versions."""
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
        # Neither the call nor its answer names Cohere's default model.
        model if isinstance(model, str) else "default",
        ChatReader(),
        prompt=[named.get(name) for name in _PROMPT],
        max_output_tokens=limit,
        cacheable=None if is_stream else {name: value for name, value in named.items() if value is not _OMITTED},
    )


def _take(observation: Observation, answer: Any) -> None:
    data = answer.data
    ids = {name: getattr(data, name, None) for name in _IDS}
    usage = getattr(data, "usage", None) or getattr(data, "meta", None)
    observation.answered({**ids, "usage": as_dict(usage)}, answer)


def _streamed(original: Function, gate: Gate) -> Function:
    @contextmanager
    def chat_stream(client: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        observation = gate.observe(_plan, client, arguments, named, True)
        if observation is None:
            with original(client, *arguments, **named) as answer:
                yield answer
            return
        observation.begin()
        with ExitStack() as stack:
            stack.callback(observation.end)
            try:
                answer = stack.enter_context(original(client, *arguments, **named))
            except BaseException as error:
                observation.failed(error)
                raise
            guarded(_follow, observation, answer)
            yield answer

    return chat_stream


def _astreamed(original: Function, gate: Gate) -> Function:
    @asynccontextmanager
    async def chat_stream(client: Any, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        observation = gate.observe(_plan, client, arguments, named, True)
        if observation is None:
            async with original(client, *arguments, **named) as answer:
                yield answer
            return
        await observation.abegin()
        async with AsyncExitStack() as stack:
            stack.callback(observation.end)
            try:
                answer = await stack.enter_async_context(original(client, *arguments, **named))
            except BaseException as error:
                observation.failed(error)
                raise
            guarded(_follow, observation, answer)
            yield answer

    return chat_stream


def _follow(observation: Observation, answer: Any) -> None:
    watch(answer._response, observation)


class ChatReader(Reader):
    """Chats and embeddings. A stream reports its usage in the last event; answers do not name the model."""

    def read(self, data: Mapping[str, Any]) -> bool:
        kind = str(data.get("type") or data.get("event_type") or "")
        self.call_id = self.call_id or next((data[name] for name in _IDS if data.get(name)), None)
        if kind == "content-delta":
            self._add_text(((data.get("delta") or {}).get("message") or {}).get("content", {}).get("text"))
        elif kind == "text-generation":
            self._add_text(data.get("text"))
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
