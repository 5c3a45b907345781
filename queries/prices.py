"""Custom prices of a workspace."""

from datetime import datetime
from uuid import UUID

from queries.functions import Functions, function
from schemas.identities import Identity
from schemas.prices import CustomPrice, CustomPriceIn


class PriceQueries(Functions):
    @function
    async def price_list(self, workspace_id: UUID, price_id: UUID | None = None) -> list[CustomPrice]: ...

    async def price_create(
        self, by: Identity, price_id: UUID, provider: str, new: CustomPriceIn, starts_at: datetime, now: datetime
    ) -> CustomPrice:
        (price,) = await self._ask(
            list[CustomPrice],
            "price_create",
            by,
            user_id=by.user_id,
            price_id=price_id,
            provider=provider,
            model=new.model,
            starts_at=starts_at,
            ends_at=new.ends_at,
            percent_of_list=new.percent_of_list,
            input=new.input,
            cache_read=new.cache_read,
            cache_write=new.cache_write,
            cache_write_1h=new.cache_write_1h,
            output=new.output,
            reasoning=new.reasoning,
            request=new.request,
            now=now,
        )
        return price

    async def price_end(self, by: Identity, price_id: UUID, ends_at: datetime, now: datetime) -> CustomPrice:
        (price,) = await self._ask(list[CustomPrice], "price_end", by, price_id=price_id, ends_at=ends_at, now=now)
        return price
