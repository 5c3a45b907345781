"""Mistral: chat, agents, fill-in-the-middle and embeddings."""

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from llmlab.instruments.calls import aobserved, observed
from llmlab.instruments.observation import Observation
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import Reader, as_dict
from llmlab.instruments.streams import watch

_PROMPT = ("messages", "prompt", "suffix", "inputs", "tools")


def patches() -> list[Patch]:
    """The patches for the client. Raises ImportError for unsupported versions."""
    embeddings = _resource("embeddings", "Embeddings")
    wanted = [
        Patch(embeddings, "create", observed(_plan, _take)),
        Patch(embeddings, "create_async", aobserved(_plan, _take)),
    ]
    for resource in (_resource("chat", "Chat"), _resource("agents", "Agents"), _resource("fim", "Fim")):
        wanted += [
            Patch(resource, "complete", observed(_plan, _take)),
            Patch(resource, "complete_async", aobserved(_plan, _take)),
            Patch(resource, "stream", observed(_plan_stream, _take_stream)),
            Patch(resource, "stream_async", aobserved(_plan_stream, _take_stream)),
        ]
    return wanted


def _resource(module: str, name: str) -> type:
    # Before version 2, the client was `mistralai` itself.
    package = "mistralai.client" if "mistralai.client" in sys.modules else "mistralai"
    found: type = getattr(importlib.import_module(f"{package}.{module}"), name)
    return found


def _plan(_: Any, __: tuple[Any, ...], named: Mapping[str, Any], is_stream: bool = False) -> Observation | None:
    limit = named.get("max_tokens")
    return Observation(
        "mistral",
        # Calls of an agent do not name its model.
        named.get("model") or f"agent:{named['agent_id']}",
        ChunkReader(),
        prompt=[named.get(name) for name in _PROMPT],
        max_output_tokens=limit * (named.get("n") or 1) if isinstance(limit, int) else None,
        api_flavor="default",
        cacheable=None if is_stream else dict(named),
    )


def _plan_stream(client: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Observation | None:
    return _plan(client, arguments, named, is_stream=True)


def _take(observation: Observation, answer: Any) -> None:
    observation.answered({"id": answer.id, "model": answer.model, "usage": as_dict(answer.usage)}, answer)


def _take_stream(observation: Observation, stream: Any) -> None:
    watch(stream.response, observation)


class ChunkReader(Reader):
    """Completions and embeddings. A stream reports its usage in the last event."""

    def read(self, data: Mapping[str, Any]) -> bool:
        self._identify(data)
        for choice in data.get("choices") or ():
            delta = choice.get("delta") or {}
            content = delta.get("content")
            parts = content if isinstance(content, list) else [{"text": content}]
            self._add_text(*(part.get("text") for part in parts))
            self._add_text(*((call.get("function") or {}).get("arguments") for call in delta.get("tool_calls") or ()))
        if data.get("usage"):
            self._count(data["usage"])
            self.complete = True
        return False
