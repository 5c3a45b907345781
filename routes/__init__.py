"""The HTTP routes: one module for each group of paths."""

from collections.abc import Mapping

from routes import (
    accounts,
    alerts,
    budgets,
    costs,
    events,
    exports,
    feedback,
    ingest,
    keys,
    live,
    llm,
    metrics,
    prices,
    projects,
    recommendations,
    server,
    settings,
    workspaces,
)
from routes.router import Route
from schemas.refusals import RouteLimit
from utils.otlp import TRACES_PATH

DESCRIPTION = """The ledger of what an organisation spends on language models.

Sign up, press **Authorize** and paste the `access_token`, or an API key; then track an event and query its cost.
Members of several workspaces select one with the header `X-Workspace-Id`; the default is their first."""

TAGS = [
    {"name": "auth", "description": "Accounts and sessions"},
    {"name": "workspaces", "description": "Workspaces, members, invitations, audit log and archive"},
    {"name": "keys", "description": "API keys for applications, and stored provider keys"},
    {"name": "projects", "description": "Projects, which group events by purpose"},
    {"name": "prices", "description": "Custom prices, which replace list prices"},
    {"name": "settings", "description": "Call policy, retention and time zone"},
    {"name": "events", "description": "Recording and listing of model calls"},
    {"name": "ingest", "description": "Ingestion from OpenTelemetry and LiteLLM"},
    {"name": "llm", "description": "Logging of calls, and the models of the price list"},
    {"name": "costs", "description": "Costs by model, provider, project, tag and day; comparison and forecast"},
    {"name": "metrics", "description": "Tokens, latency, errors, cost and quality"},
    {"name": "feedback", "description": "Ratings of calls"},
    {"name": "exports", "description": "Exports of events and costs as CSV, JSON lines and Parquet, also in FOCUS"},
    {"name": "budgets", "description": "Budgets, budget checks and reservations"},
    {"name": "alerts", "description": "Alerts and the channels they are sent to"},
    {"name": "live updates", "description": "Live stream of changes"},
    {"name": "recommendations", "description": "Anomalies, avoidable costs and cheaper models"},
    {"name": "server", "description": "Health and metrics of the server"},
]

# Busiest first, because a request is matched against one after the other.
ROUTERS = (
    events.events,
    ingest.ingest,
    llm.llm,
    costs.costs,
    metrics.metrics,
    feedback.feedback,
    exports.exports,
    budgets.guard,
    budgets.budgets,
    alerts.alerts,
    alerts.channels,
    live.live,
    recommendations.recommendations,
    projects.projects,
    keys.keys,
    keys.provider_keys,
    prices.prices,
    settings.settings,
    workspaces.workspaces,
    workspaces.audit,
    accounts.accounts,
    server.server,
)
ROUTES: list[Route] = [route for router in ROUTERS for route in router.routes]
PUBLIC_PATHS = frozenset(route.path for route in ROUTES if route.needs == "nothing")
BODY_LIMITS: Mapping[str, int] = {route.path: route.body_limit for route in ROUTES if route.body_limit is not None}
# The routes with a rate limit of their own: by method and path, and those with parameters in their path.
_LIMITS: Mapping[tuple[str, str], RouteLimit] = {
    (method, route.path): route.limit for route in ROUTES for method in route.methods or () if route.limit != "requests"
}
_PATTERNS = [route for route in ROUTES if route.limit != "requests" and "{" in route.path]


def limit_of(method: str, path: str) -> RouteLimit:
    """The class of rate limits that counts a request."""
    found = _LIMITS.get((method, path))
    if found is not None:
        return found
    for route in _PATTERNS:
        if method in (route.methods or ()) and route.path_regex.match(path):
            return route.limit
    return "requests"


# Paths of the first documents, which also answer under /api.
OLD_PATHS: Mapping[str, str] = {
    path: f"/api{path}"
    for path in (
        "/auth/register",
        "/auth/login",
        "/llm/log-call",
        "/llm/models",
        "/metrics/summary",
        "/metrics/token-usage",
        "/metrics/latency",
        "/metrics/error-rate",
        "/metrics/cost",
        "/metrics/quality",
        "/feedback",
        "/settings",
    )
}
# Paths that the exporters of others have built in.
EXPORTER_PATHS: Mapping[str, str] = {"/api/public/otel/v1/traces": TRACES_PATH}
