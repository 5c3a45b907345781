"""A provider of models: its prices, each with its source, and how to read its responses."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

from genai_prices import Usage as ReportedUsage
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo
from genai_prices.types import Provider as Vendor

from models import MAX_TOKENS
from providers.names import listed_names
from providers.rates import ModelRates
from schemas.usage import Price, Rates, Usage
from utils.errors import Invalid

PRICE_LIST = f"genai-prices@{version('genai-prices')}"

_PLAIN = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "output_reasoning_tokens",
)
_FREE = Rates(*[Decimal(0)] * 7)
# API flavours to try on a vendor's responses, most trusted first. For other vendors every flavour of the price list is
# tried, and the one that accounts for most of the response is used.
_FLAVORS = {
    # Cohere bills what it calls billed units, not the tokens that it counts.
    "cohere": ("default", "tokens", "embeddings"),
}


class Model:
    """A model of the price list."""

    def __init__(self, info: ModelInfo, vendor: Vendor) -> None:
        self.id = info.id
        self.source = f"{PRICE_LIST}:{vendor.id}/{info.id}"
        self.context_window = info.context_window
        self._info = info
        self._vendor = vendor
        self._rates = ModelRates(info)
        # Some entries list a model without any price. A name that ends in ":free" is the vendor's word for 0; the price
        # of the others is unknown.
        self._free = info.id.endswith(":free")
        prices = info.prices if isinstance(info.prices, list) else [info]
        self._listed = any(value is not None for entry in prices for value in vars(entry.prices).values())

    def cost(self, usage: Usage, at: datetime) -> Decimal | None:
        """USD for a usage at a moment; None when the list has no price for it."""
        if not self._listed:
            return Decimal(0) if self._free else None
        if not usage.detail:
            return self._rates.at(at).rates(usage.prompt_tokens).cost(usage)
        try:
            reported = ReportedUsage(**usage.detail)
            return self._info.calc_price(reported, self._vendor, genai_request_timestamp=at).total_price
        except ValueError as error:
            raise Invalid(f"The usage is not consistent: {error}") from None

    def rates(self, prompt_tokens: int, at: datetime) -> Rates:
        """The rates for a prompt of this length at that moment."""
        if self._free and not self._listed:
            return _FREE
        return self._rates.at(at).rates(prompt_tokens)

    def thresholds(self, at: datetime) -> Sequence[int]:
        """The lengths of a prompt beyond each of which other rates hold at that moment."""
        return self._rates.at(at).thresholds


class Provider:
    """One vendor of models, by its id in the price list. Raises LookupError for an id that the list does not have."""

    def __init__(self, id: str) -> None:
        vendor = find_provider_by_id(get_snapshot().providers, id)
        if vendor is None:
            raise LookupError(f"The price list has no provider {id!r}")
        self.id = vendor.id
        self._flavors = _FLAVORS.get(vendor.id, ())
        self._vendor = vendor

    def find(self, model: str) -> Model | None:
        """The model of that name; None when the list does not have it. Never matched to a similar model."""
        return _find(self._vendor.id, model)

    def most_expensive(self, usage: Usage, at: datetime) -> Price | None:
        """The price of a usage on this vendor's most expensive model; None when the list has none."""
        found = [
            price_at(model, usage, at) for info in self._vendor.models if (model := self.find(info.id)) is not None
        ]
        priced = [(price.cost, price.pricing) for price in found if price.cost is not None]
        return Price(*max(priced)) if priced else None

    def get_model_pricing(self, model: str) -> tuple[Decimal, Decimal]:
        """(input, output) in USD per 1,000 tokens, as last listed. Raises LookupError for a model without prices.

        The two rates that every provider answers with; the server prices calls with `Model.cost`.
        """
        found = self.find(model)
        rates = found.rates(0, datetime.max.replace(tzinfo=UTC)) if found is not None else None
        if rates is None or rates.input is None or rates.output is None:
            raise LookupError(f"No price is known for {model!r} of {self.id!r}")
        return rates.input * 1000, rates.output * 1000

    def read_response(self, response: Mapping[str, Any], flavor: str | None = None) -> tuple[str | None, Usage]:
        """The model and usage that the vendor's own response body reports.

        The input count includes the prompt's cached part or not, depending on the vendor; the price list's extractors
        know which. Raises Invalid when no usage can be read.
        """
        if flavor is not None:
            try:
                return self._read(response, flavor)
            except ValueError as error:
                raise Invalid(f"The response has no readable usage: {error}", loc=("body", "response")) from None
        known = [extractor.api_flavor for extractor in self._vendor.extractors or ()]
        best: tuple[str | None, Usage] | None = None
        most = 0
        for candidate in self._flavors or known:
            try:
                model, reported = self._vendor.extract_usage(response, api_flavor=candidate)
            except ValueError:
                continue
            if self._flavors:
                return model, usage_of(vars(reported))
            if len(vars(reported)) > most:
                best, most = (model, usage_of(vars(reported))), len(vars(reported))
        if best is None:
            raise Invalid(
                f"The response of {self.id!r} has no readable usage; send model and token counts instead",
                loc=("body", "response"),
            )
        return best

    def _read(self, response: Mapping[str, Any], flavor: str) -> tuple[str | None, Usage]:
        model, reported = self._vendor.extract_usage(response, api_flavor=flavor)
        return model, usage_of(vars(reported))


@lru_cache(maxsize=1024)
def provider_named(name: str) -> Provider | None:
    """The provider of that name in any spelling; None when the price list has none."""
    vendors = get_snapshot().providers
    found = (find_provider_by_id(vendors, each) for each in listed_names(name))
    vendor = next((each for each in found if each is not None), None)
    return None if vendor is None else _provider(vendor.id)


@cache
def _provider(vendor_id: str) -> Provider:
    return Provider(vendor_id)


@lru_cache(maxsize=8192)
def vendor_of(model: str) -> str | None:
    """The id of the vendor that lists a model of this name and has such names; None when there is none.

    Where no vendor has such names, it is the only maker of models that lists exactly this one.
    """
    name = model.lower()
    for vendor in get_snapshot().providers:
        if _has_such_names(vendor, name) and _find(vendor.id, model) is not None:
            return vendor.id
    listing = [vendor.id for vendor in _makers() if any(info.id == name for info in vendor.models)]
    return listing[0] if len(listing) == 1 else None


def _has_such_names(vendor: Vendor, model: str) -> bool:
    return vendor.model_match is not None and vendor.model_match.is_match(model)


@cache
def _makers() -> list[Vendor]:
    """The vendors most of whose models have their names; others serve the models of other vendors."""
    return [
        vendor
        for vendor in get_snapshot().providers
        if 2 * sum(_has_such_names(vendor, info.id.lower()) for info in vendor.models) > len(vendor.models)
    ]


def model_ids(vendor_id: str) -> list[str]:
    """The names of all models of a vendor in the price list."""
    return [info.id for vendor in get_snapshot().providers if vendor.id == vendor_id for info in vendor.models]


def price_at(model: Model, usage: Usage, at: datetime) -> Price:
    """The price of a usage at a moment by the list."""
    cost = model.cost(usage, at)
    return Price(None, "unpriced") if cost is None else Price(cost, model.source)


def usage_of(reported: Mapping[str, Any]) -> Usage:
    """Our disjoint counts of a reported usage, whose input count holds the cached parts.

    Raises Invalid for counts that are not whole numbers in range or contradict one another.
    """
    counts = {key: _count(key, reported.get(key, 0)) for key in _PLAIN}
    write_1h = counts["cache_write_1h_tokens"]
    writes = counts["cache_write_tokens"] or counts["cache_write_5m_tokens"] + write_1h
    usage = Usage.of_prompt(
        input_tokens=counts["input_tokens"],
        cache_read_tokens=counts["cache_read_tokens"],
        cache_write_5m_tokens=writes - write_1h,
        cache_write_1h_tokens=write_1h,
        output_tokens=counts["output_tokens"],
        reasoning_tokens=counts["output_reasoning_tokens"],
    )
    if any(value for key, value in reported.items() if key not in counts):
        return usage._replace(detail={key: value for key, value in reported.items() if value})
    return usage


def _count(key: str, value: Any) -> int:
    if value != int(value) or not 0 <= value <= MAX_TOKENS:
        raise Invalid(f"{key} must be an integer from 0 to {MAX_TOKENS}, not {value}")
    return int(value)


@lru_cache(maxsize=8192)
def _find(vendor_id: str, name: str) -> Model | None:
    """The model, also under a name with its provider in front ("openai/gpt-4o", "models/gemini-2.5-pro")."""
    vendors = get_snapshot().providers
    vendor = next(v for v in vendors if v.id == vendor_id)
    info = vendor.find_model(name, all_providers=vendors)
    if info is None and "/" in name:
        prefix, rest = name.split("/", 1)
        if prefix == "models" or find_provider_by_id(vendors, prefix) is vendor:
            info = vendor.find_model(rest, all_providers=vendors)
    return None if info is None else _model(info, vendor)


_compiled: dict[tuple[int, str], Model] = {}


def _model(info: ModelInfo, vendor: Vendor) -> Model:
    # Not an lru_cache: entries cannot be hashed. Keyed by the entry and not by its names, which callers make up without
    # end; by the vendor too, since vendors share entries and a price names its vendor.
    key = (id(info), vendor.id)
    model = _compiled.get(key)
    if model is None:
        model = _compiled[key] = Model(info, vendor)
    return model
