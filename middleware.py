"""Middleware: request ids and logs, body limits and authentication. Rate limits are in limiter.py.

Plain ASGI. An error raised here does not reach the application's exception handlers, so each class sends its own
response.
"""

import logging
import os
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping
from uuid import UUID

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.identities import Identity
from utils import json
from utils.asgi import client_address, header
from utils.errors import (
    PROBLEM_JSON,
    Invalid,
    LLMLabError,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
    problem,
)
from utils.logs import RequestRecord
from utils.metrics import count_request
from utils.otlp import JSON, PROTOBUF, TRACES_PATH, media_type_of, status_answer
from utils.site import PAGE, Site
from utils.tokens import basic_password, bearer_token

Identify = Callable[[str, UUID | None], Awaitable[Identity]]

MAX_BODY_BYTES = 64 * 1024
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Swagger UI and ReDoc are loaded from a CDN and started by an inline script.
_DOCS_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    b"font-src https://fonts.gstatic.com; img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly; "
    b"worker-src blob:; frame-ancestors 'none'"
)
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_DASHBOARD_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Names of assets contain a hash, so a changed asset has a new name.
_ASSET_CACHING = b"public, max-age=31536000, immutable"
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
]

log = logging.getLogger("llmlab.requests")


def cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Middleware that allows pages of these origins to call the API."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        # The session cookie is only for origins that are listed, never for "*".
        allow_credentials="*" not in origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "X-Request-ID",
            "X-Session",
            "X-Workspace-Id",
        ],
        expose_headers=["X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
    )


class RequestMiddleware:
    """Assigns a request id, strips a trailing slash of the path, logs and counts the request.

    An exception that was not handled is logged, and answered with status 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        given = header(scope, b"x-request-id") or ""
        request_id = given if _VALID_REQUEST_ID.fullmatch(given) else os.urandom(12).hex()
        scope["request_id"] = request_id
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/") or "/"
        policy = _DOCS_POLICY if scope["path"] in ("/docs", "/redoc") else _POLICY
        status = 500
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                message["headers"] = [
                    *message["headers"],
                    *_SECURITY_HEADERS,
                    (b"cache-control", scope.get("caching", b"no-store") if status < 400 else b"no-store"),
                    (b"content-security-policy", scope.get("policy", policy)),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        fault = None
        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            fault = traceback.format_exc()
            if not begun:
                await send_error(scope, send_with_headers, LLMLabError())
        seconds = time.perf_counter() - started
        count_request(scope["method"], getattr(scope.get("route"), "path", None), status, seconds)
        identity = scope.get("identity")
        if log.isEnabledFor(logging.INFO):
            request = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
                "request_id": request_id,
                "client": client_address(scope),
                "user_id": identity.user_id if identity else None,
                "key_id": identity.key_id if identity else None,
                "workspace_id": identity.workspace_id if identity else None,
                "error": fault,
            }
            log.handle(RequestRecord(log.name, request))


class OldPathMiddleware:
    """Rewrites other paths of a route, the keys of `paths`, to its own."""

    def __init__(self, app: ASGIApp, paths: Mapping[str, str]) -> None:
        self.app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = self._paths.get(scope["path"], scope["path"])
        await self.app(scope, receive, send)


class DashboardMiddleware:
    """Serves the files of the dashboard. They are public and not rate limited."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        readable = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        name = self._site.name_of(scope["path"]) if readable else None
        if name is None:
            await self.app(scope, receive, send)
            return
        response = await self._site.response(name, scope)
        if response is None:
            await send_error(scope, send, NotFound("Path not found"))
            return
        scope["caching"] = _ASSET_CACHING if name.startswith("assets/") else b"no-cache"
        if name == PAGE:
            scope["policy"] = _DASHBOARD_POLICY
        await response(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses bodies larger than 64 KiB or the path's own limit, including chunked ones of unknown length."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self.app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self._limits.get(scope["path"], MAX_BODY_BYTES)
        size = f"{most // 1024} KiB" if most < 1024 * 1024 else f"{most // 1024 // 1024} MiB"
        too_large = PayloadTooLarge(f"The request body is larger than {size}")
        length = header(scope, b"content-length") or "0"
        if not length.isdigit() or int(length) > most:
            await send_error(scope, send, too_large)
            return
        if header(scope, b"transfer-encoding") is None:
            # The server reads at most the declared length.
            await self.app(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise too_large
            return message

        async def send_unless_too_large(message: Message) -> None:
            # The exception may have been turned into another response; this error replaces it.
            if received <= most:
                await send(message)
            elif message["type"] == "http.response.start":
                await send_error(scope, send, too_large)

        await self.app(scope, receive_limited, send_unless_too_large)


class OtlpErrorMiddleware:
    """Converts errors of /v1/traces to the Status message of OTLP, in the encoding of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != TRACES_PATH:
            await self.app(scope, receive, send)
            return
        media_type = media_type_of(header(scope, b"content-type") or "")
        if media_type not in (PROTOBUF, JSON):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_as_status(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] >= 400:
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    status = status_answer(media_type, json.loads(body)["detail"])
                    own = {b"content-type": media_type.encode(), b"content-length": b"%d" % len(status)}
                    others = [(name, value) for name, value in start["headers"] if name.lower() not in own]
                    await send({**start, "headers": [*others, *own.items()]})
                    await send({"type": "http.response.body", "body": status})

        await self.app(scope, receive, send_as_status)


class AuthMiddleware:
    """Authenticates callers of all but the public paths, and sets `scope["identity"]`.

    Exporters of traces may send their key as the password of Basic authentication, as Langfuse's do.
    `refuse` answers other requests with the error in `scope["refusal"]`.
    """

    def __init__(self, app: ASGIApp, identify: Identify, refuse: ASGIApp, public: Collection[str]) -> None:
        self.app = app
        self._public = public
        self._identify = identify
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._public and not _is_preflight(scope):
            try:
                authorization = header(scope, b"authorization")
                token = bearer_token(authorization)
                if token is None and scope["path"] == TRACES_PATH:
                    token = basic_password(authorization)
                if token is None:
                    raise Unauthorized
                scope["identity"] = await self._identify(token, _workspace(scope))
            except LLMLabError as error:
                scope["refusal"] = error
                await self._refuse(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the error in `scope["refusal"]`."""
    await send_error(scope, send, scope["refusal"])


def _workspace(scope: Scope) -> UUID | None:
    """The workspace of X-Workspace-Id, if present. Raises Invalid if it is not a UUID."""
    named = header(scope, b"x-workspace-id")
    try:
        return None if named is None else UUID(named)
    except ValueError:
        raise Invalid("X-Workspace-Id must be the id of a workspace", loc=("header", "X-Workspace-Id")) from None


async def send_error(scope: Scope, send: Send, error: LLMLabError) -> None:
    """Sends an error in the common format."""
    body = problem(error.status, error.detail, scope.get("request_id", ""), **error.extra)
    headers = {"Content-Type": PROBLEM_JSON, "Content-Length": str(len(body)), **error.headers}
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method") is not None
