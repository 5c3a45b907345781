"""OpenAI: chat completions, completions, responses and embeddings; Azure's and compatible vendors' through its client.

OpenAI tells the usage of a stream of chat completions only when asked to. Unless the caller says otherwise it is asked,
and the extra event, which holds nothing else, is kept from the caller.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmlab.instruments.observation import Observation
from llmlab.instruments.patches import Patch
from llmlab.instruments.readers import Reader
from llmlab.instruments.requests import client_patches

# By the end of the host's name, as LLMLab's price list calls them. Any other host is taken for OpenAI's.
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
# The first version of Azure's API that knows stream_options.
_AZURE_USAGE_SINCE = "2024-09"


def patches() -> list[Patch]:
    """What to patch. Raises ImportError for a version that is made otherwise."""
    from openai import AsyncOpenAI, OpenAI

    return client_patches(OpenAI, AsyncOpenAI, _plan)


def _plan(client: Any, options: Any, cacheable: Any) -> Observation | None:
    flavor, body = _FLAVORS.get(options.url), options.json_data
    if flavor is None or options.method.lower() != "post" or not isinstance(body, Mapping):
        return None
    vendor = _vendor(client)
    hides = flavor == "chat" and bool(body.get("stream")) and _may_ask(client, vendor) and _ask(options)
    limit = next((limit for name in _LIMITS if isinstance(limit := body.get(name), int)), None)
    return Observation(
        vendor,
        body.get("model"),
        ResponseReader() if flavor == "responses" else CompletionReader(),
        prompt=[body.get(name) for name in _PROMPTS],
        max_output_tokens=None if limit is None else limit * (body.get("n") or 1),
        # The others have one flavour each.
        api_flavor=flavor if vendor in ("openai", "azure") else None,
        cacheable=cacheable,
        hides_usage=hides,
    )


def _ask(options: Any) -> bool:
    """Asks for the usage of a stream; returns whether the caller had not said."""
    extra = getattr(options, "extra_json", None) or {}
    where = "extra_json" if "stream_options" in extra else "json_data"
    body = getattr(options, where)
    said = body.get("stream_options") or {}
    if "include_usage" in said:
        return False
    setattr(options, where, {**body, "stream_options": {**said, "include_usage": True}})
    return True


def _vendor(client: Any) -> str:
    kind: Any = type(client)
    return _vendor_at(kind, client.base_url.host)


@lru_cache(maxsize=1024)
def _vendor_at(kind: type, host: str) -> str:
    if any(base.__name__ == "BaseAzureClient" for base in kind.__mro__):
        return "azure"
    return next((vendor for end, vendor in _VENDORS.items() if host == end or host.endswith("." + end)), "openai")


def _may_ask(client: Any, vendor: str) -> bool:
    # Mistral refuses the option, and tells the usage unasked; so do older versions of Azure's API.
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
            self._wrote(choice.get("text"))
            if delta := choice.get("delta"):
                self._wrote(*(delta.get(name) for name in _TEXTS))
                self._wrote(*((call.get("function") or {}).get("arguments") for call in delta.get("tool_calls") or ()))
        if not data.get("usage"):
            return False
        self._count(data["usage"])
        self.complete = True
        return choices == []


class ResponseReader(Reader):
    """The Responses API. Its stream tells the usage in its last event."""

    def read(self, data: Mapping[str, Any]) -> bool:
        kind = str(data.get("type") or "")
        told = data.get("response") if kind.startswith("response.") else data
        self._wrote(data.get("delta"))
        if kind == "error" or (data.get("error") and not kind):
            self.error = _code(data.get("error") or data)
        elif isinstance(told, Mapping):
            self._identify(told)
            if told.get("usage"):
                self._count(told["usage"])
                self.complete = True
            if kind == "response.failed":
                self.error = _code(told.get("error"))
        return False


def _code(error: Any) -> str:
    told = error if isinstance(error, Mapping) else {}
    return str(told.get("code") or told.get("type") or "error")
