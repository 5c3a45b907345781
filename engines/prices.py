"""A workspace's own prices."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from database import Database
from models import Changed, Identity, OwnPrice, OwnPriceIn, OwnPriceList
from providers import PriceBook
from utils.errors import Invalid
from utils.ids import uuid7
from utils.time import now


class PriceEngine:
    """Keeps prices. `terms_changed` and `changed` are called whenever one is added or ended."""

    def __init__(
        self, database: Database, prices: PriceBook, terms_changed: Callable[[], None], changed: Changed
    ) -> None:
        self._database = database
        self._prices = prices
        self._terms_changed = terms_changed
        self._changed = changed

    async def prices(self, identity: Identity) -> OwnPriceList:
        """The workspace's own prices."""
        return OwnPriceList(prices=await self._database.price_list(identity.workspace_id))

    async def add(self, identity: Identity, new: OwnPriceIn) -> OwnPrice:
        """Adds a price, used for events sent from now on and made from its start on."""
        at = now()
        starts_at = new.starts_at or at
        if new.ends_at is not None and new.ends_at <= starts_at:
            raise Invalid("ends_at must lie after starts_at", loc=("body", "ends_at"))
        provider = self._prices.provider_id(new.provider)
        price = await self._database.price_create(identity, uuid7(at), provider, new, starts_at, at)
        self._terms_changed()
        self._changed(identity.workspace_id, "prices")
        return price

    async def end(self, identity: Identity, price_id: UUID, ends_at: datetime) -> OwnPrice:
        """Ends a price at a moment. Raises NotFound, and Conflict for one before its start."""
        price = await self._database.price_end(identity, price_id, ends_at, now())
        self._terms_changed()
        self._changed(identity.workspace_id, "prices")
        return price
