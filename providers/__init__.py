"""What a model costs at a time. No network, no database, no clock: the moment of a call is an argument."""

from providers.book import PriceBook
from providers.own import NO_OWN_PRICES, OwnPrices

__all__ = ["NO_OWN_PRICES", "OwnPrices", "PriceBook"]
