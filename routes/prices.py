"""The workspace's own prices."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.prices import OwnPrice, OwnPriceIn, OwnPriceList, PriceEnd

prices = Router("/api/prices", "prices")


@prices.get("", summary="The prices this workspace pays by its own contracts")
async def listing(call: Call) -> OwnPriceList:
    return await call.engines.prices.prices(call.caller)


@prices.post("", needs="admin", status_code=201, responses=problems(409), summary="Add a price, for events from now on")
async def add(call: Call, new: OwnPriceIn) -> OwnPrice:
    return await call.engines.prices.add(call.caller, new)


@prices.patch("/{price_id}", needs="admin", responses=problems(404, 409), summary="End a price")
async def end(call: Call, price_id: Annotated[UUID, Path(description="A price's id")], change: PriceEnd) -> OwnPrice:
    return await call.engines.prices.end(call.caller, price_id, change.ends_at)
