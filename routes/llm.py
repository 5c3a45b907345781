"""Calls as an application saw them, and the models they can be of."""

from typing import Annotated

from fastapi import Query

from models import Name, ProviderName
from routes.deps import Cursor, Limit
from routes.exact import IDEMPOTENT, Call, TwiceRouter, needs
from schemas.llm import ListedModels, LoggedCall, ObservedCall

llm = TwiceRouter("/llm", "llm")


@llm.post("/log-call", openapi_extra=IDEMPOTENT, summary="Log one model call; it is stored as an event")
@needs("events:write")
async def log_call(call: Call, observed: ObservedCall) -> LoggedCall:
    return await call.events.log_call(call.caller, observed, call.idempotency_key)


@llm.get("/models", summary="The models of the price list, by id")
async def models(
    call: Call,
    provider: Annotated[ProviderName | None, Query(description="Only this provider's models")] = None,
    search: Annotated[Name | None, Query(description="Only models with this text in their id or title")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ListedModels:
    return await call.prices.models(provider, search, cursor, limit)
