"""What a model costs at a time and what it can do, what a workspace decided about it, and how others tell of calls.

No network, no database, no clock: the moment of a call is an argument.
"""

from providers.book import PriceBook
from providers.calls import Counts, ToldCall, error_fields, event_id
from providers.capabilities import Capability, successors, token_factor
from providers.listing import Listing
from providers.litellm import litellm_event
from providers.own import NO_OWN_PRICES, OwnPrices
from providers.policy import Policy
from providers.spans import ERROR_TYPE, PROJECT, TAG, told_call, wanted

__all__ = [
    "ERROR_TYPE",
    "NO_OWN_PRICES",
    "PROJECT",
    "TAG",
    "Capability",
    "Counts",
    "Listing",
    "OwnPrices",
    "Policy",
    "PriceBook",
    "ToldCall",
    "error_fields",
    "event_id",
    "litellm_event",
    "successors",
    "token_factor",
    "told_call",
    "wanted",
]
