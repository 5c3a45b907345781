"""Routes with permissions, exact JSON, and no unknown query parameters."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from routes import needs
from routes.call import Call
from routes.exact import answer_exactly, body_validator
from routes.needs import Need
from routes.schema import problems
from schemas.refusals import RouteLimit
from utils.errors import Invalid

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Route(APIRoute):
    """A route for callers with the permission it needs. The handler's result is serialised without further validation.

    The handler's annotation documents the response. The permission is documented as a sentence and as the scope of the
    bearer token. Unknown query parameters are refused.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        needs: Need,
        limit: RouteLimit,
        body_limit: int | None,
        **options: Any,
    ) -> None:
        self.needs = needs
        self.limit = limit
        self.body_limit = body_limit
        exact = answer_exactly(endpoint, options.get("status_code") or 200)
        super().__init__(path, exact, **_described(needs, options))
        for body in self.dependant.body_params:
            body.validate = body_validator(body.field_info.annotation)  # type: ignore[method-assign]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        fields = get_flat_params(self.dependant)
        known = {field.alias for field in fields if isinstance(field.field_info, params.Query)}

        async def handle_exactly(request: Request) -> Response:
            needs.check(self.needs, request.scope)
            refuse_unknown(request, known)
            return await handle(Call(request.scope, request.receive))

        return handle_exactly


class Router:
    """Paths with one prefix and one tag.

    Each declares what it needs. `limit` is the class of rate limits that counts it: "ingest" for what records calls,
    "guard" for budget checks. `body_limit` is the maximum size of a body in bytes, if it is not the default; other
    options are those of APIRoute. A path with a `body_limit`, or a public one, has no path parameters.
    """

    def __init__(self, prefix: str, tag: str) -> None:
        self.routes: list[Route] = []
        self._prefix = prefix
        self._tag = tag

    def get(self, path: str, *, needs: Need = "read", **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Adds a path that reads data."""
        return self._add("GET", path, needs, **options)

    def post(self, path: str, *, needs: Need, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Adds a path that writes data."""
        return self._add("POST", path, needs, **options)

    def put(self, path: str, *, needs: Need, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Adds a path that writes data."""
        return self._add("PUT", path, needs, **options)

    def patch(self, path: str, *, needs: Need, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Adds a path that writes data."""
        return self._add("PATCH", path, needs, **options)

    def delete(self, path: str, *, needs: Need, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Adds a path that writes data."""
        return self._add("DELETE", path, needs, **options)

    def _add(
        self,
        method: str,
        path: str,
        needs: Need,
        *,
        route_class: type[Route] = Route,
        limit: RouteLimit = "requests",
        body_limit: int | None = None,
        **options: Any,
    ) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            self.routes.append(
                route_class(
                    self._prefix + path,
                    endpoint,
                    methods=[method],
                    tags=[self._tag],
                    needs=needs,
                    limit=limit,
                    body_limit=body_limit,
                    **options,
                )
            )
            return endpoint

        return add


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raises Invalid for an unknown query parameter."""
    if request.scope["query_string"]:
        for name in request.query_params:
            if name not in known:
                raise Invalid(f"Unknown parameter {name[:64]!r}", loc=("query", name[:64]), kind="extra_forbidden")


def _described(need: Need, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a route, with its permission added to the schema."""
    own = options.get("responses") or {}
    if need == "nothing":
        return {**options, "responses": {**problems(422, 429, 503), **own}}
    refused = {} if need == "anybody" else problems(403)
    return {
        **options,
        "responses": {**refused, **problems(401, 422, 429, 503), **own},
        "description": options.get("description") or needs.MEANINGS[need],
        "openapi_extra": {"security": needs.security(need), **(options.get("openapi_extra") or {})},
    }
