/** Which answers a change of each kind makes out of date, by the beginning of their paths. */
export const KINDS: Record<string, readonly string[]> = {
  // A forecast, an anomaly and advice are of many calls: one more does not change them, and they take the server a while.
  events: [
    "/api/events",
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
  budgets: ["/api/budgets", "/api/guard"],
  alerts: ["/api/alerts", "/api/alert-channels"],
  feedback: ["/api/feedback", "/api/metrics/quality"],
  projects: ["/api/projects", "/api/costs", "/api/events"],
  prices: ["/api/prices"],
  settings: ["/api/settings", "/api/workspaces"],
};
