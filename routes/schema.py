"""The parts of the OpenAPI document that FastAPI does not generate."""

from typing import Any

from fastapi import FastAPI

from schemas.errors import Problem
from utils.errors import PROBLEM_JSON

_PROBLEMS = {
    400: "The request cannot be processed",
    401: "Missing, invalid or expired credentials",
    403: "The role or API key lacks permission",
    404: "Not found in this workspace",
    409: "Conflicts with the current state",
    413: "The request body is too large",
    415: "Unsupported content type or encoding",
    422: "The request is not valid",
    429: "A limit has refused the request; see Retry-After",
    501: "An optional package is not installed on this server",
    503: "The database cannot be reached; see Retry-After",
}
# Header of paths that use `Call.idempotency_key`.
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
            "description": "Key of the request; a repeated request with the same key is recorded once",
        }
    ]
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a path."""
    return {status: {"description": _PROBLEMS[status], "model": Problem} for status in statuses}


def describe(app: FastAPI) -> None:
    """Adds authentication and the media type of errors to the document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema["components"]["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or the access_token from signup or login",
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
