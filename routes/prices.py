"""Custom prices."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from routes.call import Call
from routes.router import Router
from routes.schema import problems
from schemas.prices import CustomPrice, CustomPriceIn, CustomPriceList, PriceEnd

prices = Router("/api/prices", "prices")


@prices.get("", summary="List custom prices")
async def listing(call: Call) -> CustomPriceList:
    return await call.engines.prices.prices(call.caller)


@prices.post(
    "", needs="admin", status_code=201, responses=problems(409), summary="Add a custom price for future events"
)
async def add(call: Call, new: CustomPriceIn) -> CustomPrice:
    return await call.engines.prices.add(call.caller, new)


@prices.patch("/{price_id}", needs="admin", responses=problems(404, 409), summary="Set the end of a custom price")
async def end(call: Call, price_id: Annotated[UUID, Path(description="A price's id")], change: PriceEnd) -> CustomPrice:
    return await call.engines.prices.end(call.caller, price_id, change.ends_at)
