"""Prices and abilities of models, and a workspace's policy for them. No network, no database, no clock: the time of a
call is an argument.
"""

from providers.book import PriceBook
from providers.capabilities import Capability, successors, token_factor
from providers.custom import NO_CUSTOM_PRICES, CustomPrices
from providers.listing import Listing
from providers.policy import Policy

__all__ = [
    "NO_CUSTOM_PRICES",
    "Capability",
    "CustomPrices",
    "Listing",
    "Policy",
    "PriceBook",
    "successors",
    "token_factor",
]
