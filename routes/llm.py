"""Logging of calls, and the models of the price list."""

from typing import Annotated

from fastapi import Query

from models import Name, ProviderName
from routes.call import Call
from routes.deps import Cursor, Limit
from routes.fast import MAX_BODY_BYTES, FastRoute
from routes.router import Router
from routes.schema import IDEMPOTENT
from schemas.llm import ListedModels, LoggedCall, ObservedCall

llm = Router("/api/llm", "llm")


@llm.post(
    "/log-call",
    needs="events:write",
    limit="ingest",
    body_limit=MAX_BODY_BYTES,
    route_class=FastRoute,
    openapi_extra=IDEMPOTENT,
    summary="Log a model call, which is recorded as an event",
)
async def log_call(call: Call, observed: ObservedCall) -> LoggedCall:
    return await call.engines.events.log_call(call.caller, observed, call.idempotency_key)


@llm.get("/models", summary="List the models of the price list, by id")
async def models(
    call: Call,
    provider: Annotated[ProviderName | None, Query(description="Only models of this provider")] = None,
    search: Annotated[Name | None, Query(description="Only models with this text in their id or title")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ListedModels:
    return await call.engines.prices.models(provider, search, cursor, limit)
