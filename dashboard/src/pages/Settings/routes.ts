import type { RouteObject } from "react-router";

/** Each page of the settings is loaded when first opened. */
export const settings: RouteObject[] = [
  { index: true, lazy: () => import("./Redirect") },
  { path: "workspace", lazy: () => import("./Workspace") },
  { path: "members", lazy: () => import("./Members") },
  { path: "projects", lazy: () => import("./Projects") },
  { path: "keys", lazy: () => import("./Keys") },
  { path: "provider-keys", lazy: () => import("./ProviderKeys") },
  { path: "prices", lazy: () => import("./Prices") },
  { path: "policy", lazy: () => import("./Policy") },
  { path: "audit", lazy: () => import("./Audit") },
  { path: "data", lazy: () => import("./Data") },
  { path: "account", lazy: () => import("./Account") },
  { path: "sessions", lazy: () => import("./Sessions") },
];
