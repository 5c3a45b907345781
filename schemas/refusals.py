"""Requests that a limit has refused."""

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from models import Answer

# The class of a route: what records calls, the guard of budgets, and all others.
RouteLimit = Literal["requests", "ingest", "guard"]
LimitName = Literal[
    "key_requests",
    "user_requests",
    "workspace_requests",
    "address_requests",
    "ingest_events",
    "ingest_bytes",
    "guard_requests",
    "streams",
    "failed_logins",
]


class RefusedRequests(Answer):
    """How many requests one limit has refused."""

    limit: LimitName
    requests: int


# Internal values, never sent to a caller


class Refusal(NamedTuple):
    """Requests of a caller, an API key or a user, that one limit has refused within an hour."""

    caller_id: UUID
    hour: datetime
    limit: LimitName
    requests: int
