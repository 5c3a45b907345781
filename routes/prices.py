"""Own prices."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.prices import OwnPrice, OwnPriceIn, OwnPriceList, PriceEnd

prices = Router("/api/prices", "prices")


@prices.get("", summary="List own prices")
async def listing(call: Call) -> OwnPriceList:
    return await call.engines.prices.prices(call.caller)


@prices.post("", needs="admin", status_code=201, responses=problems(409), summary="Add an own price for future events")
async def add(call: Call, new: OwnPriceIn) -> OwnPrice:
    return await call.engines.prices.add(call.caller, new)


@prices.patch("/{price_id}", needs="admin", responses=problems(404, 409), summary="Set the end of an own price")
async def end(call: Call, price_id: Annotated[UUID, Path(description="A price's id")], change: PriceEnd) -> OwnPrice:
    return await call.engines.prices.end(call.caller, price_id, change.ends_at)
