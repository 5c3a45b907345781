"""Anthropic: messages, also those of Bedrock, Vertex and Foundry through its clients."""

from collections.abc import Mapping
from typing import Any

from llmlab.instruments.observation import Observation
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import Reader
from llmlab.instruments.requests import client_patches

# By the name of the client, as LLMLab's price list calls them.
_RESELLERS = {"Bedrock": "aws", "Vertex": "google", "GoogleCloud": "google", "Foundry": "azure"}
_PROMPT = ("system", "messages", "tools")


def patches() -> list[Patch]:
    """What to patch. Raises ImportError for a version that is made otherwise."""
    from anthropic import Anthropic, AsyncAnthropic

    return client_patches(Anthropic, AsyncAnthropic, _plan)


def _plan(client: Any, options: Any, cacheable: Any) -> Observation | None:
    body = options.json_data
    if options.url.partition("?")[0] != "/v1/messages" or not isinstance(body, Mapping):
        return None
    vendor = _vendor(client)
    if vendor == "aws" and body.get("stream"):
        # Bedrock streams in a binary format of its own.
        return None
    return Observation(
        vendor,
        body.get("model"),
        BedrockReader() if vendor == "aws" else MessageReader(),
        prompt=[body.get(name) for name in _PROMPT],
        max_output_tokens=body.get("max_tokens"),
        api_flavor="default" if vendor == "anthropic" else "anthropic",
        cacheable=cacheable,
    )


def _vendor(client: Any) -> str:
    name = type(client).__name__
    return next((vendor for part, vendor in _RESELLERS.items() if part in name), "anthropic")


class MessageReader(Reader):
    """Messages. A stream starts with the prompt's counts, and tells the output's near its end."""

    def read(self, data: Mapping[str, Any]) -> bool:
        kind = data.get("type")
        if kind == "content_block_delta":
            delta = data.get("delta") or {}
            self._wrote(delta.get("text"), delta.get("thinking"), delta.get("partial_json"))
        elif kind == "error":
            self.error = str((data.get("error") or {}).get("type") or "error")
        elif kind == "message_delta":
            self._count(data.get("usage"))
            self.complete = True
        elif kind == "message_start":
            message = data.get("message") or {}
            self._identify(message)
            self._count(message.get("usage"))
        elif "usage" in data:
            self._identify(data)
            self._count(data["usage"])
            self.complete = bool(self.usage)
        return False


class BedrockReader(MessageReader):
    """Messages of Bedrock, whose answers name the model without the region that its price depends on."""

    def _identify(self, data: Mapping[str, Any]) -> None:
        self.call_id = data.get("id") or self.call_id
