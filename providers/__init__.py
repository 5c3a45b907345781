"""What a model costs at a time. No network, no database, no clock: the moment of a call is an argument."""

from providers.book import PriceBook
from providers.own import OwnPrices

__all__ = ["OwnPrices", "PriceBook"]
