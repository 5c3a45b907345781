"""The price book: the prices of every provider, and which of several prices of a call is used."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.base import Model, Provider, price_at, provider_named
from providers.capabilities import BATCH, RETIREMENTS, BatchTier, Caching, Capability, Retirement, caching, capability
from providers.corrections import CORRECTIONS, SOURCE
from providers.custom import NO_CUSTOM_PRICES, CustomPrices, custom_cost, custom_rates
from providers.listing import Listing, is_listed, listing
from providers.reported import call_names, provider_id, provider_of
from schemas.usage import Price, Rates, Usage
from utils.errors import Invalid

UNPRICED = Price(None, "unpriced")
# Longer names are refused where events are validated.
_LONGEST_MODEL = 256


class PriceBook:
    """Prices calls by the first of: the caller's cost, a custom price, the corrections, the price list."""

    def provider(self, name: str) -> Provider | None:
        """The provider of that name in any spelling; None when it is unknown."""
        return provider_named(name)

    def provider_id(self, name: str) -> str:
        """One name for a provider in any spelling; the name of an unknown one stays."""
        return provider_id(name)

    def models(self) -> Sequence[Listing]:
        """Every model of the list and the corrections, by id. The first call takes a while."""
        return listing()

    def model_of_id(self, model_id: str) -> tuple[str, str] | None:
        """The provider and the model of an id in `models`; None for any other id."""
        provider, _, model = model_id.partition("/")
        vendor = self.provider(provider)
        return (provider, model) if vendor is not None and vendor.id == provider and is_listed(vendor, model) else None

    def provider_of(self, model: str) -> str | None:
        """The provider that lists a model of this name and has such names; None when there is none."""
        return provider_of(model)

    def names(self, provider: str, model: str, requested: str | None = None) -> tuple[str, str]:
        """The names of the provider and the model of a call here, whichever way it was reported.

        `provider` is empty where none was reported; it then follows from the model, or from the one that was requested.
        It is "unknown" if nothing tells it.
        """
        if len(model) > _LONGEST_MODEL or len(requested or "") > _LONGEST_MODEL:
            return provider or "unknown", model
        return call_names(provider, model, requested)

    def price(
        self,
        provider: str,
        model: str,
        usage: Usage,
        at: datetime,
        given: Decimal | None = None,
        own: CustomPrices = NO_CUSTOM_PRICES,
    ) -> Price:
        """The cost of a call and the price it is by. An unknown name is unpriced and raises nothing.

        Raises Invalid for a usage that contradicts itself.
        """
        if given is not None:
            return Price(given, "caller")
        negotiated = own.find(self.provider_id(provider), model, at) if own else None
        if negotiated is not None:
            listed = None if negotiated.percent_of_list is None else self._list_price(provider, model, usage, at).cost
            cost = custom_cost(negotiated, usage, listed)
            return UNPRICED if cost is None else Price(cost, f"own:{negotiated.id}")
        return self._list_price(provider, model, usage, at)

    def _list_price(self, provider: str, model: str, usage: Usage, at: datetime) -> Price:
        vendor = self.provider(provider)
        if vendor is None:
            return UNPRICED
        correction = CORRECTIONS.get((vendor.id, model.lower()))
        if correction is not None:
            return Price(correction.cost(usage), f"{SOURCE}:{vendor.id}/{model.lower()}")
        found = vendor.find(model)
        return UNPRICED if found is None else price_at(found, usage, at)

    def rates(
        self, provider: str, model: str, prompt_tokens: int, at: datetime, own: CustomPrices = NO_CUSTOM_PRICES
    ) -> Rates | None:
        """The rates of `price` for a prompt of this length at a moment; None when there are none."""
        listed = self._list_rates(provider, model, prompt_tokens, at)
        negotiated = own.find(self.provider_id(provider), model, at) if own else None
        return listed if negotiated is None else custom_rates(negotiated, listed)

    def _list_rates(self, provider: str, model: str, prompt_tokens: int, at: datetime) -> Rates | None:
        vendor = self.provider(provider)
        if vendor is None:
            return None
        correction = CORRECTIONS.get((vendor.id, model.lower()))
        if correction is not None:
            return correction
        found = vendor.find(model)
        return None if found is None else found.rates(prompt_tokens, at)

    def ceiling(self, provider: str, model: str, usage: Usage, at: datetime, own: CustomPrices) -> Price:
        """The most a call can cost: its price or, without one, that of its provider's most expensive model."""
        price = self.price(provider, model, usage, at, own=own)
        vendor = self.provider(provider)
        if price.cost is not None or vendor is None:
            return price
        highest = vendor.most_expensive(usage, at)
        return price if highest is None else Price(highest.cost, f"dearest:{highest.pricing}")

    def thresholds(self, provider: str, model: str, at: datetime) -> Sequence[int]:
        """The lengths of a prompt beyond each of which `rates` may differ at that moment."""
        found = self._listed(provider, model)
        return () if found is None else found.thresholds(at)

    def context_window(self, able: Capability) -> int | None:
        """The context window of a model in tokens; None when it is unknown."""
        found = self._listed(able.provider, able.model)
        return able.context_window if found is None or found.context_window is None else found.context_window

    def capability(self, provider: str, model: str) -> Capability | None:
        """The capability of the model of that name; None when it is unknown."""
        return capability(*self._listed_id(provider, model))

    def retirement(self, provider: str, model: str) -> Retirement | None:
        """The announced retirement of the model of that name; None when there is none."""
        return RETIREMENTS.get(self._listed_id(provider, model))

    def caching(self, provider: str, model: str) -> Caching | None:
        """The caching rules of the model of that name; None when they are unknown."""
        return caching(*self._listed_id(provider, model))

    def batch(self, provider: str) -> BatchTier | None:
        """A provider's discount for calls that may wait; None when it has none that is known."""
        return BATCH.get(self.provider_id(provider))

    def _listed_id(self, provider: str, model: str) -> tuple[str, str]:
        found = self._listed(provider, model)
        return self.provider_id(provider), model.lower() if found is None else found.id

    def _listed(self, provider: str, model: str) -> Model | None:
        vendor = self.provider(provider)
        return None if vendor is None else vendor.find(model)

    def read_response(self, provider: str, response: Mapping[str, Any], flavor: str | None) -> tuple[str | None, Usage]:
        """The model and usage in a vendor's own response body. Raises Invalid when they cannot be read."""
        vendor = self.provider(provider)
        if vendor is None:
            raise Invalid(
                f"Responses of the provider {provider!r} are not supported; send model and token counts instead",
                loc=("body", "response"),
            )
        return vendor.read_response(response, flavor)
