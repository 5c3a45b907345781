/** Which answers a change of each kind makes out of date, by the beginning of their paths. */
export const KINDS: Record<string, readonly string[]> = {
  events: [
    "/api/events",
    "/api/costs",
    "/api/metrics",
    "/api/budgets",
    "/api/alerts",
    "/api/projects",
    "/api/recommendations",
    "/api/forecast",
  ],
  budgets: ["/api/budgets", "/api/guard"],
  alerts: ["/api/alerts", "/api/alert-channels"],
  feedback: ["/api/feedback", "/api/metrics/quality"],
  projects: ["/api/projects", "/api/costs", "/api/events"],
  prices: ["/api/prices"],
  settings: ["/api/settings", "/api/workspaces"],
};
