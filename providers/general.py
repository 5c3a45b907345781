"""Every other vendor in the price list: its data is all there is to say."""

from functools import cache, lru_cache

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

from providers.base import Provider


@lru_cache(maxsize=1024)
def general(name: str) -> Provider | None:
    """The vendor the price list knows by this name; None when it knows none."""
    vendor = find_provider_by_id(get_snapshot().providers, name)
    return None if vendor is None else _provider(vendor.id)


@cache
def _provider(vendor_id: str) -> Provider:
    return Provider(vendor_id)
