"""Routes that read and write JSON without turning money into floats, and the schema that describes them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from functools import wraps
from json import JSONDecodeError
from typing import Any, Literal, ParamSpec, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Response, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from engines.accounts import AccountEngine
from engines.alerts import AlertEngine
from engines.anomalies import AnomalyEngine
from engines.archive import ArchiveEngine
from engines.budgets import BudgetEngine
from engines.costs import CostEngine
from engines.events import EventEngine
from engines.exports import ExportEngine
from engines.feedback import FeedbackEngine
from engines.ingest import IngestEngine
from engines.keys import KeyEngine
from engines.live import LiveEngine
from engines.metrics import MetricsEngine
from engines.prices import PriceEngine
from engines.projects import ProjectEngine
from engines.recommendations import RecommendationsEngine
from engines.server import ServerEngine
from engines.settings import SettingsEngine
from engines.workspaces import WorkspaceEngine
from models import Scope
from routes import errors
from schemas.errors import Problem
from schemas.identities import Identity
from utils import json
from utils.addresses import is_loopback
from utils.asgi import client_address, header
from utils.errors import PROBLEM_JSON, Forbidden, Invalid, LLMLabError, PayloadTooLarge
from utils.tokens import bearer_token

P = ParamSpec("P")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
# What a path needs: a scope, a person who is signed in (an API key is not one), a person or a key that sends events, or
# anybody who is known.
Need = Scope | Literal["person", "user", "anybody"]

_NEEDS: dict[Need, str] = {
    "events:write": "For admins, and for API keys with the scope `events:write`.",
    "read": "For everybody in the workspace, and for API keys with the scope `read`.",
    "admin": "For admins, and for API keys with the scope `admin`.",
    "person": "For everybody who is signed in, but not for API keys.",
    "user": "For everybody who is signed in, and for API keys with the scope `events:write`.",
    "anybody": "For everybody in the workspace, and for every API key.",
}
# Of a body with more of them, nobody reads what is wrong: to list it would take longer than to read it.
_MOST_FAULTS = 1_000
_PROBLEMS = {
    400: "The request cannot be carried out",
    401: "Not signed in",
    403: "Not allowed to this role or API key",
    404: "Not found in this workspace",
    409: "This contradicts what is there",
    413: "The request body is too large",
    415: "The body is in a form that this path does not take",
    422: "The request does not say what is needed",
    429: "Too many requests; see Retry-After",
    501: "This needs a package that is not installed on this server",
    503: "The database cannot be reached; see Retry-After",
}


_JSON = re.compile(r"application/([^;/\s]+\+)?json\s*(;|$)", re.IGNORECASE)

# What proxies say about whom they ask for.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

# For the schema of paths that look at `Call.idempotency_key`.
IDEMPOTENT: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 128,
                "pattern": r"^[ -~\u00a1-\u00ac\u00ae-\u00ff]*$",
            },
            "description": "Makes sending this request again harmless",
        }
    ]
}


class Call(Request):
    """A request with exact JSON, who makes it, and the engines that answer it.

    Handlers take this rather than a dependency for each: on the way of an event dependencies cost more than pricing it.
    """

    async def body(self) -> bytes:
        """The body. Raises ClientDisconnect when it breaks off."""
        if not hasattr(self, "_body"):
            pieces, more = [], True
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        """The body, every digit kept."""
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body())
        return self._json

    async def sent(self) -> Any:
        """The body as JSON, or as it is when it does not call itself JSON.

        Raises RequestValidationError, and PayloadTooLarge for more values than anybody needs.
        """
        body = await self.body()
        if not body:
            raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
        if not _JSON.match(self.content_type):
            return body
        try:
            return await self.json()
        except json.TooManyValues as error:
            raise PayloadTooLarge(f"The request body is too large: {error.msg}") from None
        except JSONDecodeError as error:
            context = {"error": error.msg}
            raise RequestValidationError(
                [{"type": "json_invalid", "loc": ("body", 0), "msg": "", "ctx": context}]
            ) from None

    @property
    def caller(self) -> Identity:
        """Who is signed in."""
        identity: Identity = self.scope["identity"]
        return identity

    @property
    def token(self) -> str | None:
        """The token that came along, valid or not."""
        return bearer_token(header(self.scope, b"authorization"))

    @property
    def idempotency_key(self) -> str | None:
        """What makes sending the request again harmless. Raises Invalid for one that cannot be an id."""
        key = header(self.scope, b"idempotency-key")
        if key is not None and not (0 < len(key) <= 128 and key.isprintable()):
            raise Invalid("Idempotency-Key must have 1 to 128 printable characters", loc=("header", "Idempotency-Key"))
        return key

    @property
    def content_type(self) -> str:
        """What the body is said to be."""
        return header(self.scope, b"content-type") or ""

    @property
    def encoding(self) -> str:
        """How the body is said to be compressed."""
        return header(self.scope, b"content-encoding") or ""

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return client_address(self.scope)

    @property
    def is_local(self) -> bool:
        """Whether a program on this machine asks, for itself and not for somebody else.

        A proxy on this machine is seen by the headers it adds, and a web page in a browser on it by the host it names.
        """
        forwarded = any(name in self.headers for name in _FORWARDED)
        return is_loopback(self.address) and is_loopback(self.host) and not forwarded

    @property
    def host(self) -> str:
        """The host that the caller names, without the port; empty when it is none."""
        try:
            return urlsplit(f"//{header(self.scope, b'host') or ''}").hostname or ""
        except ValueError:
            return ""

    @property
    def device(self) -> str:
        """What the caller's browser or program calls itself."""
        return header(self.scope, b"user-agent") or ""

    @property
    def accounts(self) -> AccountEngine:
        engine: AccountEngine = self.app.state.accounts
        return engine

    @property
    def events(self) -> EventEngine:
        engine: EventEngine = self.app.state.events
        return engine

    @property
    def anomalies(self) -> AnomalyEngine:
        engine: AnomalyEngine = self.app.state.anomalies
        return engine

    @property
    def costs(self) -> CostEngine:
        engine: CostEngine = self.app.state.costs
        return engine

    @property
    def ingest(self) -> IngestEngine:
        engine: IngestEngine = self.app.state.ingest
        return engine

    @property
    def metrics(self) -> MetricsEngine:
        engine: MetricsEngine = self.app.state.metrics
        return engine

    @property
    def feedback(self) -> FeedbackEngine:
        engine: FeedbackEngine = self.app.state.feedback
        return engine

    @property
    def budgets(self) -> BudgetEngine:
        engine: BudgetEngine = self.app.state.budgets
        return engine

    @property
    def alerts(self) -> AlertEngine:
        engine: AlertEngine = self.app.state.alerts
        return engine

    @property
    def workspaces(self) -> WorkspaceEngine:
        engine: WorkspaceEngine = self.app.state.workspaces
        return engine

    @property
    def projects(self) -> ProjectEngine:
        engine: ProjectEngine = self.app.state.projects
        return engine

    @property
    def keyring(self) -> KeyEngine:
        engine: KeyEngine = self.app.state.keyring
        return engine

    @property
    def prices(self) -> PriceEngine:
        engine: PriceEngine = self.app.state.prices
        return engine

    @property
    def settings(self) -> SettingsEngine:
        engine: SettingsEngine = self.app.state.settings
        return engine

    @property
    def archive(self) -> ArchiveEngine:
        engine: ArchiveEngine = self.app.state.archive
        return engine

    @property
    def live(self) -> LiveEngine:
        engine: LiveEngine = self.app.state.live
        return engine

    @property
    def exports(self) -> ExportEngine:
        engine: ExportEngine = self.app.state.exports
        return engine

    @property
    def advice(self) -> RecommendationsEngine:
        engine: RecommendationsEngine = self.app.state.recommendations
        return engine

    @property
    def server(self) -> ServerEngine:
        engine: ServerEngine = self.app.state.server
        return engine


class ExactRoute(APIRoute):
    """A route whose answer is serialised as the handler returns it; its annotation describes the answer in the schema.

    A query parameter it does not know is refused.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, answer_exactly(endpoint, options.get("status_code") or 200), **options)
        self.is_direct = _needs_only_a_body(self.dependant)
        if self.is_direct:
            body: Any = self.dependant.body_params[0].field_info.annotation
            self.app = self._directly(TypeAdapter(body))

    def admit(self, scope: ASGIScope) -> None:
        """Raises Forbidden when this caller may not do this."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        fields = get_flat_params(self.dependant)
        known = {field.alias for field in fields if isinstance(field.field_info, params.Query)}

        async def handle_exactly(request: Request) -> Response:
            self.admit(request.scope)
            _refuse_unknown(request, known)
            return await handle(Call(request.scope, request.receive))

        return handle_exactly

    def _directly(self, body: TypeAdapter[Any]) -> ASGIApp:
        """The route as an application of its own: it reads its body, calls its endpoint, and answers, also errors.

        On the way of an event, FastAPI's general path from a request to an endpoint costs more than all the rest.
        """
        validate = body.validator.validate_python

        async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
            call = Call(scope, receive)
            try:
                self.admit(scope)
                _refuse_unknown(call, ())
                try:
                    value = validate(await call.sent())
                except ValidationError as error:
                    raise RequestValidationError(_faults(error)) from None
                response = await self.endpoint(call, value)
            except (LLMLabError, RequestValidationError) as error:
                response = errors.answer(call, error)
            await response(scope, receive, send)

        return app


def _faults(error: ValidationError) -> list[dict[str, Any]]:
    """What is wrong with a body."""
    if error.error_count() > _MOST_FAULTS:
        return [
            {"type": "too_many_errors", "loc": ("body",), "msg": f"More than {_MOST_FAULTS} things are wrong with it"}
        ]
    faults = error.errors(include_url=False, include_input=False)
    return [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]


def _needs_only_a_body(dependant: Dependant) -> bool:
    """Whether an endpoint takes the call and a JSON body and nothing else."""
    bodies = dependant.body_params
    return (
        not dependant.dependencies
        and not get_flat_params(dependant)
        and len(bodies) == 1
        and type(bodies[0].field_info) is params.Body
        and bodies[0].field_info.is_required()
    )


def _refuse_unknown(request: Request, known: Collection[str]) -> None:
    if request.scope["query_string"]:
        for name in request.query_params:
            if name not in known:
                raise Invalid(f"Unknown parameter {name[:64]!r}", loc=("query", name[:64]), kind="extra_forbidden")


def needs(need: Need) -> Callable[[Endpoint], Endpoint]:
    """Says what an endpoint of a guarded router needs; `read` is what it needs otherwise."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["need"] = need
        return endpoint

    return mark


class GuardedRoute(ExactRoute):
    """A route that lets only those to its handler who may do what it does.

    The schema says who that is, in words and as the scope its bearer token needs.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.need: Need = getattr(endpoint, "need", "read")
        options["openapi_extra"] = {"security": _security(self.need), **(options.get("openapi_extra") or {})}
        options["description"] = options.get("description") or _NEEDS[self.need]
        refused = {} if self.need == "anybody" else problems(403)
        options["responses"] = {**refused, **(options.get("responses") or {})}
        super().__init__(path, endpoint, **options)

    def admit(self, scope: ASGIScope) -> None:
        _check(self.need, scope["identity"])


def _security(need: Need) -> list[dict[str, list[str]]]:
    """The same for the schema: alternatives, each with the scope it takes; a session takes none."""
    if need in ("person", "anybody"):
        return [{"bearer": []}]
    return [{"bearer": []}, {"bearer": ["events:write"]}] if need == "user" else [{"bearer": [need]}]


def _check(need: Need, identity: Identity) -> None:
    """Raises Forbidden when the caller may not do this."""
    if need == "user":
        need = "anybody" if identity.session_id is not None else "events:write"
    if need == "person":
        if identity.session_id is None:
            raise Forbidden("Only somebody who is signed in can do this, not an API key")
    elif need != "anybody" and need not in identity.scopes:
        raise Forbidden(None if identity.key_id is None else f"This API key does not have the scope {need}")


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


async def download(pieces: AsyncIterator[bytes], filename: str, media_type: str) -> StreamingResponse:
    """A file that is made while it is sent.

    What goes wrong before its first piece is answered as any error is; after that the connection is cut, so that nobody
    takes a part for the whole.
    """
    first = await anext(pieces, b"")

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(all_pieces(), media_type=media_type, headers=headers)


def router(prefix: str, tag: str) -> APIRouter:
    """A router of paths for those who are signed in."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=GuardedRoute, responses=problems(401, 422, 429, 503))


class TwiceRouter(APIRouter):
    """A router whose paths under /api also answer without it, as the first documents have them."""

    def __init__(self, path: str, tag: str) -> None:
        super().__init__(tags=[tag], route_class=GuardedRoute, responses=problems(401, 422, 429, 503))
        self._path = path

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(f"/api{self._path}{path}", endpoint, **options)
        super().add_api_route(f"{self._path}{path}", endpoint, **{**options, "deprecated": True})


def public_router(prefix: str, tag: str) -> APIRouter:
    """A router of paths open to everybody."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=ExactRoute, responses=problems(422, 429, 503))


def direct_routes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], APIRoute]:
    """The routes that can be had without a router, by method and path: no part of their path varies."""
    return {
        (method, route.path): route
        for router in routers
        for route in router.routes
        if isinstance(route, ExactRoute) and route.is_direct
        for method in route.methods or ()
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a path, for the schema."""
    return {status: {"description": _PROBLEMS[status], "model": Problem} for status in statuses}


def describe(app: FastAPI) -> None:
    """Adds to the schema what FastAPI cannot be told: how to sign in, and the media type of our errors."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema["components"]["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or the access_token of signup or login",
            }
        }
        for operations in schema["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    content = response.get("content", {}).get("application/json", {})
                    if content.get("schema", {}).get("$ref", "").endswith("Problem"):
                        response["content"] = {PROBLEM_JSON: content}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
