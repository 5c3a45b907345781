"""What handlers ask for: who is calling, the engines, and the parameters many paths share."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Annotated, Any, ParamSpec

from fastapi import APIRouter, Depends, Header, Query, Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from engines.accounts import AccountEngine
from engines.budgets import BudgetEngine
from engines.costs import CostEngine
from engines.recommendations import RecommendationsEngine
from engines.server import ServerEngine
from models import (
    CostRange,
    DayOrTime,
    EventFilter,
    Identity,
    ModelName,
    Name,
    Problem,
    ProviderName,
    Status,
    TagFilter,
    Time,
    TimeZone,
)
from utils import json
from utils.errors import Forbidden, Invalid

P = ParamSpec("P")

_PROBLEMS = {
    400: "The request cannot be carried out",
    401: "Not signed in",
    403: "Admin access required",
    404: "Not found in this workspace",
    422: "The request does not say what is needed",
    429: "Too many requests; see Retry-After",
    503: "The database cannot be reached; see Retry-After",
}


class ExactRequest(Request):
    """A request whose JSON keeps every digit."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body())
        return self._json


class ExactRoute(APIRoute):
    """A route that reads and writes JSON without turning money into floats.

    The handler's annotation describes the answer in the schema; what it returns is serialised as it is.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, answer_exactly(endpoint, options.get("status_code") or 200), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        fields = get_flat_params(self.dependant)
        known = {field.alias for field in fields if isinstance(field.field_info, params.Query)}

        async def handle_exactly(request: Request) -> Response:
            if request.scope["query_string"]:
                for name in request.query_params:
                    if name not in known:
                        raise Invalid(
                            f"Unknown parameter {name[:64]!r}", loc=("query", name[:64]), kind="extra_forbidden"
                        )
            return await handle(ExactRequest(request.scope, request.receive))

        return handle_exactly


def answer_exactly(endpoint: Callable[P, Awaitable[Any]], status: int) -> Callable[P, Awaitable[Response]]:
    """The endpoint with its answer as exact JSON; a Response passes as it is."""

    @wraps(endpoint)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        value = await endpoint(*args, **kwargs)
        return value if isinstance(value, Response) else json_response(value, status)

    return answer


def json_response(value: Any, status: int = 200) -> Response:
    """Exact JSON with a status."""
    if status == 204:
        return Response(status_code=204)
    return Response(json.dumps(value), status_code=status, media_type="application/json")


def router(prefix: str, tag: str) -> APIRouter:
    """A router whose paths show the padlock in the docs; the middleware is what checks."""
    bearer = HTTPBearer(auto_error=False, description="The access_token of signup or login")
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=ExactRoute,
        dependencies=[Depends(bearer)],
        responses=problems(401, 422, 429, 503),
    )


def public_router(prefix: str, tag: str) -> APIRouter:
    """A router of paths open to everybody."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=ExactRoute, responses=problems(422, 429, 503))


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a path, for the schema."""
    return {status: {"description": _PROBLEMS[status], "model": Problem} for status in statuses}


async def _caller(request: Request) -> Identity:
    identity: Identity = request.scope["identity"]
    return identity


async def _admin(request: Request) -> Identity:
    identity: Identity = request.scope["identity"]
    if identity.role != "admin":
        raise Forbidden
    return identity


async def _accounts(request: Request) -> AccountEngine:
    engine: AccountEngine = request.app.state.accounts
    return engine


async def _costs(request: Request) -> CostEngine:
    engine: CostEngine = request.app.state.costs
    return engine


async def _budgets(request: Request) -> BudgetEngine:
    engine: BudgetEngine = request.app.state.budgets
    return engine


async def _recommendations(request: Request) -> RecommendationsEngine:
    engine: RecommendationsEngine = request.app.state.recommendations
    return engine


Days = Annotated[int, Query(ge=1, le=365, description="How many calendar days, today included")]
Zone = Annotated[TimeZone, Query(description="Time zone in which days begin", examples=["Europe/Berlin"])]


async def _server(request: Request) -> ServerEngine:
    engine: ServerEngine = request.app.state.server
    return engine


async def _range(
    days: Days = 30,
    start: Annotated[DayOrTime | None, Query(description="First day, or a time; instead of days")] = None,
    end: Annotated[DayOrTime | None, Query(description="Last day, or a time; today if left out")] = None,
    tz: Zone = "UTC",
) -> CostRange:
    return CostRange(days, start, end, tz)


async def _wanted(
    start: Annotated[Time | None, Query(description="From this time on")] = None,
    end: Annotated[Time | None, Query(description="Before this time")] = None,
    provider: Annotated[ProviderName | None, Query(description="Only this provider's calls")] = None,
    model: Annotated[ModelName | None, Query(description="Only calls of this model")] = None,
    project: Annotated[Name | None, Query(description="Only this project's calls")] = None,
    status: Annotated[Status | None, Query(description="Only calls that ended so")] = None,
    tag: Annotated[TagFilter | None, Query(description="key:value", examples=["team:search"])] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many on a page")] = 50,
) -> EventFilter:
    key, _, value = (tag or "").partition(":")
    return EventFilter(start, end, provider, model, project, status, {key: value} if tag else None, limit=limit)


Caller = Annotated[Identity, Depends(_caller)]
Admin = Annotated[Identity, Depends(_admin)]
Accounts = Annotated[AccountEngine, Depends(_accounts)]
Costs = Annotated[CostEngine, Depends(_costs)]
Budgets = Annotated[BudgetEngine, Depends(_budgets)]
Advice = Annotated[RecommendationsEngine, Depends(_recommendations)]
Server = Annotated[ServerEngine, Depends(_server)]
Range = Annotated[CostRange, Depends(_range)]
Wanted = Annotated[EventFilter, Depends(_wanted)]
Cursor = Annotated[str | None, Query(max_length=512, description="next_cursor of the page before")]
IdempotencyKey = Annotated[
    Name | None,
    Header(alias="Idempotency-Key", description="Makes sending this request again harmless"),
]
