"""OpenAI: chat completions, completions, responses and embeddings, also of Azure and compatible providers.

OpenAI reports the usage of streamed chat completions only on request. Unless the caller sets `include_usage`, it is
requested, and the extra usage chunk is hidden from the caller.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmlab.instruments.observation import Observation
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import Reader
from llmlab.instruments.requests import client_patches

# Providers in LLMLab's price list, by the end of the host name. Other hosts count as OpenAI.
_VENDORS = {
    "amazonaws.com": "aws",
    "azure-api.net": "azure",
    "azure.com": "azure",
    "cerebras.ai": "cerebras",
    "deepseek.com": "deepseek",
    "fireworks.ai": "fireworks",
    "googleapis.com": "google",
    "groq.com": "groq",
    "mistral.ai": "mistral",
    "openrouter.ai": "openrouter",
    "perplexity.ai": "perplexity",
    "together.xyz": "together",
    "x.ai": "x-ai",
}
_FLAVORS = {"/chat/completions": "chat", "/completions": "chat", "/responses": "responses", "/embeddings": "embeddings"}
_PROMPTS = ("messages", "prompt", "input", "instructions", "tools", "functions")
_TEXTS = ("content", "refusal", "reasoning", "reasoning_content")
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
# The first version of Azure's API with stream_options.
_AZURE_USAGE_SINCE = "2024-09"


def patches() -> list[Patch]:
    """The patches for the client. Raises ImportError for unsupported versions."""
    from openai import AsyncOpenAI, OpenAI

    return client_patches(OpenAI, AsyncOpenAI, _plan)


def _plan(client: Any, options: Any, cacheable: Any) -> Observation | None:
    flavor, body = _FLAVORS.get(options.url), options.json_data
    if flavor is None or options.method.lower() != "post" or not isinstance(body, Mapping):
        return None
    vendor = _vendor(client)
    hides = (
        flavor == "chat" and bool(body.get("stream")) and _supports_usage(client, vendor) and _request_usage(options)
    )
    limit = next((limit for name in _LIMITS if isinstance(limit := body.get(name), int)), None)
    return Observation(
        vendor,
        body.get("model"),
        ResponseReader() if flavor == "responses" else CompletionReader(),
        prompt=[body.get(name) for name in _PROMPTS],
        max_output_tokens=None if limit is None else limit * (body.get("n") or 1),
        # Other providers have only one flavor.
        api_flavor=flavor if vendor in ("openai", "azure") else None,
        cacheable=cacheable,
        hides_usage=hides,
    )


def _request_usage(options: Any) -> bool:
    """Requests the usage of a stream; returns False if the caller has set `include_usage`."""
    extra = getattr(options, "extra_json", None) or {}
    attribute = "extra_json" if "stream_options" in extra else "json_data"
    body = getattr(options, attribute)
    stream_options = body.get("stream_options") or {}
    if "include_usage" in stream_options:
        return False
    setattr(options, attribute, {**body, "stream_options": {**stream_options, "include_usage": True}})
    return True


def _vendor(client: Any) -> str:
    kind: Any = type(client)
    return _vendor_at(kind, client.base_url.host)


@lru_cache(maxsize=1024)
def _vendor_at(kind: type, host: str) -> str:
    if any(base.__name__ == "BaseAzureClient" for base in kind.__mro__):
        return "azure"
    return next((vendor for end, vendor in _VENDORS.items() if host == end or host.endswith("." + end)), "openai")


def _supports_usage(client: Any, vendor: str) -> bool:
    # Mistral and older versions of Azure's API reject the option, and report the usage anyway.
    if vendor == "mistral":
        return False
    version = getattr(client, "_api_version", None) if vendor == "azure" else None
    return version is None or version >= _AZURE_USAGE_SINCE


class CompletionReader(Reader):
    """Chat completions, completions and embeddings."""

    def read(self, data: Mapping[str, Any]) -> bool:
        self._identify(data)
        if data.get("error"):
            self.error = _code(data["error"])
        choices = data.get("choices")
        for choice in choices or ():
            self._add_text(choice.get("text"))
            if delta := choice.get("delta"):
                self._add_text(*(delta.get(name) for name in _TEXTS))
                self._add_text(
                    *((call.get("function") or {}).get("arguments") for call in delta.get("tool_calls") or ())
                )
        if not data.get("usage"):
            return False
        self._count(data["usage"])
        self.complete = True
        return choices == []


class ResponseReader(Reader):
    """The Responses API. A stream reports its usage in the last event."""

    def read(self, data: Mapping[str, Any]) -> bool:
        kind = str(data.get("type") or "")
        response = data.get("response") if kind.startswith("response.") else data
        self._add_text(data.get("delta"))
        if kind == "error" or (data.get("error") and not kind):
            self.error = _code(data.get("error") or data)
        elif isinstance(response, Mapping):
            self._identify(response)
            if response.get("usage"):
                self._count(response["usage"])
                self.complete = True
            if kind == "response.failed":
                self.error = _code(response.get("error"))
        return False


def _code(error: Any) -> str:
    fields = error if isinstance(error, Mapping) else {}
    return str(fields.get("code") or fields.get("type") or "error")
