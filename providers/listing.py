"""Every model of the price list and the corrections."""

from functools import cache
from typing import NamedTuple

from genai_prices.data_snapshot import get_snapshot

from providers.base import Provider
from providers.corrections import CORRECTIONS


class Listing(NamedTuple):
    """A model of the price list. `id` is the provider's id, a slash and the model's name, which may hold more of them.

    `title` is its name for people; `context_window` is in tokens. Both may be unknown.
    """

    id: str
    provider: str
    model: str
    title: str | None
    context_window: int | None

    def mentions(self, text: str) -> bool:
        """Whether a text in lower case is in its id or title."""
        return text in self.id.lower() or (self.title is not None and text in self.title.lower())


@cache
def listing() -> tuple[Listing, ...]:
    """The models by id.

    Some entries of the price list have names that it does not find itself; they are left out.
    """
    found = {
        f"{vendor.id}/{info.id}": Listing(f"{vendor.id}/{info.id}", vendor.id, info.id, info.name, info.context_window)
        for vendor in get_snapshot().providers
        for provider in [Provider(vendor.id)]
        for info in vendor.models
        if is_listed(provider, info.id)
    }
    for vendor_id, model in CORRECTIONS:
        found.setdefault(f"{vendor_id}/{model}", Listing(f"{vendor_id}/{model}", vendor_id, model, None, None))
    return tuple(sorted(found.values()))


def is_listed(vendor: Provider, model: str) -> bool:
    """Whether the list or a correction has a model of exactly this name."""
    found = vendor.find(model)
    return (found is not None and found.id == model) or (vendor.id, model) in CORRECTIONS
