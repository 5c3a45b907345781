"""What a model costs at a time, and what a workspace decided about it.

No network, no database, no clock: the moment of a call is an argument.
"""

from providers.book import PriceBook
from providers.listing import Listing
from providers.own import NO_OWN_PRICES, OwnPrices
from providers.policy import Policy

__all__ = ["NO_OWN_PRICES", "Listing", "OwnPrices", "Policy", "PriceBook"]
