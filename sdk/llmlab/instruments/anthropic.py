"""Anthropic: messages, also through its clients for Bedrock, Vertex and Foundry."""

from collections.abc import Mapping
from typing import Any

from llmlab.instruments.observation import Observation
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import Reader
from llmlab.instruments.requests import client_patches

# Providers in LLMLab's price list, by a part of the client's class name.
_RESELLERS = {"Bedrock": "aws", "Vertex": "google", "GoogleCloud": "google", "Foundry": "azure"}
_PROMPT = ("system", "messages", "tools")


def patches() -> list[Patch]:
    """The patches for the client. Raises ImportError for unsupported versions."""
    from anthropic import Anthropic, AsyncAnthropic

    return client_patches(Anthropic, AsyncAnthropic, _plan)


def _plan(client: Any, options: Any, cacheable: Any) -> Observation | None:
    body = options.json_data
    if options.url.partition("?")[0] != "/v1/messages" or not isinstance(body, Mapping):
        return None
    vendor = _vendor(client)
    if vendor == "aws" and body.get("stream"):
        # Bedrock streams use a binary format.
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
    """Messages. A stream reports prompt tokens at its start and output tokens near its end."""

    def read(self, data: Mapping[str, Any]) -> bool:
        kind = data.get("type")
        if kind == "content_block_delta":
            delta = data.get("delta") or {}
            self._add_text(delta.get("text"), delta.get("thinking"), delta.get("partial_json"))
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
    """Messages of Bedrock. Their answers name the model without the region, on which its price depends."""

    def _identify(self, data: Mapping[str, Any]) -> None:
        self.call_id = data.get("id") or self.call_id
