"""Other names of providers, by which instrumentation, proxies and SDKs report calls.

Only names that the price list does not find by itself, or takes for another vendor's. It finds the rest, such as
`bedrock_converse`, `gemini` and `vertex_ai`.
"""

_PROVIDERS = {
    "azure": "azure",
    "az": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "azure-openai": "azure",
    # Vendors of models at clouds, such as bedrock.anthropic.messages: the cloud is who bills.
    "bedrock": "aws",
    "vertex": "google",
    "googlevertex": "google",
    "vertex_ai-anthropic_models": "google",
    "gcp": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
}


def listed_names(name: str) -> tuple[str, ...]:
    """The names to look a provider up by, best first. In names such as `groq.chat` the first part is the vendor's."""
    whole = name.strip().lower()
    first = whole.partition(".")[0]
    known = _PROVIDERS.get(whole) or _PROVIDERS.get(first)
    return (whole, first) if known is None else (known,)
