"""HTTP words into ours: each module is a menu of paths."""

from collections.abc import Mapping

from routes import (
    alerts,
    auth,
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

DESCRIPTION = """The ledger of what an organisation spends on language models.

Sign up, press **Authorize** and paste the `access_token`, or an API key; then track an event and ask what it cost.
Who belongs to several workspaces names one in the header `X-Workspace-Id`; otherwise it is their first."""

TAGS = [
    {"name": "auth", "description": "Accounts and sessions"},
    {"name": "workspaces", "description": "Teams: members, invitations, the audit log, the archive"},
    {"name": "keys", "description": "API keys for applications, and your keys at your providers"},
    {"name": "projects", "description": "What events are filed under"},
    {"name": "prices", "description": "What you pay by contracts of your own"},
    {"name": "settings", "description": "Which calls may be made, and how long they are kept"},
    {"name": "events", "description": "The model calls an application made"},
    {"name": "ingest", "description": "Calls that others tell of: OpenTelemetry and LiteLLM"},
    {"name": "llm", "description": "Calls as an application saw them, and the models of the price list"},
    {"name": "costs", "description": "What they cost, by model, provider, project, tag and day"},
    {"name": "metrics", "description": "How they went: tokens, latency, errors, cost, and what good answers cost"},
    {"name": "feedback", "description": "What people think of the answers"},
    {"name": "exports", "description": "Events and costs as files: CSV, JSON lines, Parquet, FOCUS"},
    {"name": "budgets", "description": "Limits, and how much of each is used"},
    {"name": "alerts", "description": "What somebody should know, and where it is told"},
    {"name": "live updates", "description": "Being told that something has changed"},
    {"name": "recommendations", "description": "What stands out, and what would have cost less"},
    {"name": "server", "description": "The server itself"},
]

# The busiest first: a request is held against one after the other.
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
    auth.auth,
    server.server,
)
ROUTES: list[Route] = [route for router in ROUTERS for route in router.routes]
PUBLIC_PATHS = frozenset(route.path for route in ROUTES if route.needs == "nothing")
BODY_LIMITS: Mapping[str, int] = {route.path: route.body_limit for route in ROUTES if route.body_limit is not None}
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
