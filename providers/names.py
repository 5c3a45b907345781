"""Other names of providers, by which instrumentation, proxies and SDKs report calls.

Only names that the price list does not find by itself, or takes for another vendor's. It finds the rest, such as
`gemini`, `vertex_ai` and `mistralai`.
"""

import re

# Clouds that serve the models of other vendors, by words in a name, such as `bedrock.anthropic.messages`. The cloud is
# who bills.
_CLOUDS = {
    "azure": "azure",
    "az": "azure",
    "azureopenai": "azure",
    "bedrock": "aws",
    "vertex": "google",
    "googlevertex": "google",
    "gcp": "google",
}
# Without what stands between words, so that `x_ai`, `x-ai` and `x.ai` are one.
_PROVIDERS = {
    "xai": "x-ai",
    "zai": "zai",
    "togetherai": "together",
    "fireworksai": "fireworks",
    "perplexityai": "perplexity",
}
# Frameworks and proxies that put their own name in place of a provider's, written in the same way.
_NO_PROVIDERS = frozenset(
    {
        "", "unknown", "ag2", "agentframework", "agno", "autogen", "claudeagentsdk", "crewai", "gcpvertexagent",
        "googleadk", "haystack", "langchain", "langgraph", "litellm", "litellmproxy", "llamaindex", "openaiagents",
        "pydanticai", "semantickernel", "smolagents", "strandsagents",
    }
)  # fmt: skip
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def is_provider(name: str) -> bool:
    """Whether a reported name says who the provider is."""
    return _BETWEEN_WORDS.sub("", name.strip().lower()) not in _NO_PROVIDERS


def listed_names(name: str) -> tuple[str, ...]:
    """The names to look a provider up by, best first. In names such as `groq.chat` the first part is the vendor's."""
    whole = name.strip().lower()
    first = whole.partition(".")[0]
    cloud = next((_CLOUDS[word] for word in _BETWEEN_WORDS.split(whole) if word in _CLOUDS), None)
    known = cloud or _PROVIDERS.get(_BETWEEN_WORDS.sub("", whole)) or _PROVIDERS.get(_BETWEEN_WORDS.sub("", first))
    return (whole, first) if known is None else (known,)
