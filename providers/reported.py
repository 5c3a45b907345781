"""The provider and the model of a reported call, by one name each."""

from functools import cache, lru_cache

from providers.base import model_ids, provider_named, vendor_of
from providers.corrections import CORRECTIONS
from providers.listing import is_listed
from providers.names import is_provider

# Providers whose own names of models have no slash: one in a reported name is part of a path to the model.
_WITHOUT_PATHS = frozenset({"aws", "google"})


def provider_id(name: str) -> str:
    """One name for a provider in any spelling; the name of an unknown one stays."""
    vendor = provider_named(name)
    return name.strip().lower() if vendor is None else vendor.id


def provider_of(model: str) -> str | None:
    """The provider that lists a model of this name and has such names; None when there is none."""
    corrected = next((provider for provider, name in CORRECTIONS if name == model.lower()), None)
    return corrected or vendor_of(model)


@lru_cache(maxsize=8192)
def call_names(provider: str, model: str, requested: str | None) -> tuple[str, str]:
    """See `PriceBook.names`."""
    named = provider_id(provider) if is_provider(provider) else _provider_following_from(model, requested)
    return named, _model_name(named, model.strip())


def _provider_following_from(*models: str | None) -> str:
    names = [name for name in models if name]
    listed = next((found for name in names if (found := provider_of(name))), None)
    if listed is not None:
        return listed
    if any(_is_of_bedrock(_end_of_path(name)) for name in names):
        return "aws"
    paths = [name.partition("/")[0] for name in names if "/" in name]
    return next((vendor.id for path in paths if (vendor := provider_named(path)) is not None), "unknown")


def _model_name(provider: str, name: str) -> str:
    vendor = provider_named(provider)
    if vendor is not None and is_listed(vendor, name):
        return name
    if provider in _WITHOUT_PATHS:
        end = _end_of_path(name)
        return _with_maker(end) if provider == "aws" else end
    first, slash, rest = name.partition("/")
    return _model_name(provider, rest) if slash and rest and provider_id(first) == provider else name


def _end_of_path(name: str) -> str:
    """The name of a model without the path to it. The id of an application's own inference profile stays an ARN."""
    end = name.rpartition("/")[2]
    return name if not end or (name.startswith("arn:") and "." not in end) else end


def _is_of_bedrock(name: str) -> bool:
    """Whether it is the id of a model of Bedrock, such as `amazon.nova-lite-v1:0`, also with a region in front."""
    ids = _bedrock_names().values()
    return name in ids or name.partition(".")[2] in ids


def _with_maker(name: str) -> str:
    """The name of a model of Bedrock with its maker, which some instrumentation leaves out."""
    return _bedrock_names().get(name, name)


@cache
def _bedrock_names() -> dict[str, str]:
    """Names of Bedrock by their part without the maker: `nova-lite-v1:0` is `amazon.nova-lite-v1:0`."""
    whole = (model.removeprefix("regional.").removeprefix("global.") for model in model_ids("aws"))
    return {name.partition(".")[2]: name for name in whole}
