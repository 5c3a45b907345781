/** The path prefixes whose answers each kind of change makes outdated. */
export const KINDS: Record<string, readonly string[]> = {
  // Forecasts, anomalies and recommendations are slow to compute and not changed by a single call.
  events: [
    "/api/events",
    "/api/ingest/unread-spans",
    "/api/costs/by-",
    "/api/costs/compare",
    "/api/costs/summary",
    "/api/costs/tag-keys",
    "/api/costs/timeseries",
    "/api/costs/top-models",
    "/api/metrics",
    "/api/budgets",
    "/api/alerts",
    "/api/projects",
  ],
  budgets: ["/api/budgets"],
  alerts: ["/api/alerts", "/api/alert-channels"],
  feedback: ["/api/feedback", "/api/metrics/quality"],
  projects: ["/api/projects", "/api/costs", "/api/events"],
  prices: ["/api/prices"],
  settings: ["/api/settings", "/api/workspaces"],
};
