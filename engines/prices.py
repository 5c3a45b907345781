"""The price engine: a workspace's custom prices, and the models of the price list."""

import asyncio
from datetime import datetime
from uuid import UUID

from database import Database
from engines.changes import Changes
from engines.terms import TermsEngine
from providers import Listing, PriceBook
from schemas.identities import Identity
from schemas.llm import ListedModel, ListedModels
from schemas.prices import CustomPrice, CustomPriceIn, CustomPriceList
from schemas.usage import EventRates
from utils.cursors import page_of, read_name_cursor, write_name_cursor
from utils.errors import Invalid
from utils.ids import uuid7
from utils.time import now


class PriceEngine:
    """Keeps custom prices and lists the models of the price list."""

    def __init__(self, database: Database, prices: PriceBook, terms: TermsEngine, changes: Changes) -> None:
        self._database = database
        self._prices = prices
        self._terms = terms
        self._changes = changes

    def provider_id(self, name: str) -> str:
        """The name by which calls of a provider are recorded, for any of its names."""
        return self._prices.provider_id(name)

    async def prices(self, identity: Identity) -> CustomPriceList:
        """The workspace's custom prices."""
        return CustomPriceList(prices=await self._database.price_list(identity.workspace_id))

    async def add(self, identity: Identity, new: CustomPriceIn) -> CustomPrice:
        """Adds a price for events that are sent from now on and were made from its start on."""
        at = now()
        starts_at = new.starts_at or at
        if new.ends_at is not None and new.ends_at <= starts_at:
            raise Invalid("ends_at must be after starts_at", loc=("body", "ends_at"))
        provider = self._prices.provider_id(new.provider)
        if "*" not in new.model:
            new = new.model_copy(update={"model": self._prices.names(provider, new.model)[1]})
        price = await self._database.price_create(identity, uuid7(at), provider, new, starts_at, at)
        self._terms.forget()
        self._changes.note(identity.workspace_id, "prices")
        return price

    async def end(self, identity: Identity, price_id: UUID, ends_at: datetime) -> CustomPrice:
        """Ends a price at a moment. Raises NotFound, and Conflict for one before its start."""
        price = await self._database.price_end(identity, price_id, ends_at, now())
        self._terms.forget()
        self._changes.note(identity.workspace_id, "prices")
        return price

    async def models(self, provider: str | None, search: str | None, cursor: str | None, limit: int) -> ListedModels:
        """A page of the list's models by id, with today's rates; of one provider, or with a text in id or title."""
        at = now()
        after = "" if cursor is None else read_name_cursor(cursor)
        vendor = None if provider is None else self._prices.provider_id(provider)
        text = (search or "").lower()
        # The first call makes the list, which takes too long for the event loop.
        listed = await asyncio.to_thread(self._prices.models)
        found = [
            model
            for model in listed
            if model.id > after and (vendor is None or model.provider == vendor) and model.mentions(text)
        ]
        page, next_cursor = page_of(found, limit, lambda model: write_name_cursor(model.id))
        return ListedModels(
            count=len(page),
            models=[ListedModel(**model._asdict(), rates=self._rates(model, at)) for model in page],
            next_cursor=next_cursor,
        )

    def _rates(self, model: Listing, at: datetime) -> EventRates:
        rates = self._prices.rates(model.provider, model.model, 0, at)
        assert rates is not None, f"{model.id} is listed"
        return EventRates.of(rates)
