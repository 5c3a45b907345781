"""Responses to exceptions of handlers, in the common format of errors."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from models import NO_CONTROL_CHARACTERS
from utils.errors import PROBLEM_JSON, LLMLabError, TooSlow, problem

_RECORDING_PATHS = ("/api/events/", "/api/llm/", "/api/ingest/", "/v1/")


def handle(app: FastAPI) -> None:
    """Registers the handlers."""
    app.add_exception_handler(LLMLabError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, _http)


async def refused(request: Request, error: Exception) -> Response:
    """The response to an LLMLabError."""
    assert isinstance(error, LLMLabError)
    detail = _advice(request) if isinstance(error, TooSlow) else error.detail
    return _answer(request, error.status, detail, dict(error.headers), **error.extra)


async def invalid(request: Request, error: Exception) -> Response:
    """The response to a RequestValidationError."""
    assert isinstance(error, RequestValidationError)
    faults = [{"loc": fault["loc"], "msg": _sentence(fault), "type": fault["type"]} for fault in error.errors()]
    where = ".".join(str(part) for part in faults[0]["loc"])
    detail = f"{where}: {faults[0]['msg']}"
    if faults[0]["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
        detail = "Send the body as JSON, with the header Content-Type: application/json"
    return _answer(request, 422, detail, {}, errors=faults)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = {404: "Path not found", 405: "Method not allowed; the Allow header lists those that are"}.get(
        error.status_code, error.detail
    )
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return _answer(request, error.status_code, detail, headers)


def _advice(request: Request) -> str:
    """What to change about a request that took too long."""
    if request.method == "GET":
        return "This takes too long; ask for a shorter range of dates, or for one project, provider or model"
    if request.url.path.startswith(_RECORDING_PATHS):
        return "Recording takes too long; send fewer events in a request, and these again with the same ids"
    return "This takes too long and was stopped; check whether it took effect before you try again"


def _methods(request: Request) -> set[str]:
    """The methods of a path. Each is a separate route, so Starlette's own header lists only one."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    return {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


def _answer(request: Request, status: int, detail: str, headers: dict[str, str], **extra: Any) -> Response:
    body = problem(status, detail, request.scope.get("request_id", ""), **extra)
    return Response(body, status, headers, media_type=PROBLEM_JSON)


def _sentence(fault: Any) -> str:
    """The message of a validation error, in readable form where pydantic's is not."""
    if fault["type"] == "string_pattern_mismatch" and fault.get("ctx", {}).get("pattern") == NO_CONTROL_CHARACTERS:
        return "must not contain control characters"
    if fault["type"] == "json_invalid":
        return f"The body is not valid JSON: {fault.get('ctx', {}).get('error', '')}"
    return str(fault["msg"]).removeprefix("Value error, ")
