"""The workspace's own prices."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.exact import Call, needs, problems, router
from schemas.prices import OwnPrice, OwnPriceIn, OwnPriceList, PriceEnd

prices = router("/api/prices", "prices")


@prices.get("", summary="The prices this workspace pays by its own contracts")
async def listing(call: Call) -> OwnPriceList:
    return await call.prices.prices(call.caller)


@prices.post("", status_code=201, responses=problems(409), summary="Add a price, for events from now on")
@needs("admin")
async def add(call: Call, new: OwnPriceIn) -> OwnPrice:
    return await call.prices.add(call.caller, new)


@prices.patch("/{price_id}", responses=problems(404, 409), summary="End a price")
@needs("admin")
async def end(call: Call, price_id: Annotated[UUID, Path(description="A price's id")], change: PriceEnd) -> OwnPrice:
    return await call.prices.end(call.caller, price_id, change.ends_at)
