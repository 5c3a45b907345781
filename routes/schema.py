"""The OpenAPI document, where FastAPI does not write it by itself."""

from typing import Any

from fastapi import FastAPI

from schemas.errors import Problem
from utils.errors import PROBLEM_JSON

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

# The header of paths that look at `Call.idempotency_key`.
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


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a path."""
    return {status: {"description": _PROBLEMS[status], "model": Problem} for status in statuses}


def describe(app: FastAPI) -> None:
    """Adds to the document how to sign in, and the media type of our errors."""
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
