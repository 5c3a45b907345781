import { Navigate, createBrowserRouter } from "react-router";
import { settings } from "@/pages/Settings/routes";
import { Broken, Starting } from "@/layout/states";

/** Each page is loaded when first opened; it exports `Component`. */
export const router = createBrowserRouter([
  {
    ErrorBoundary: Broken,
    HydrateFallback: Starting,
    children: [
      { path: "/", element: <Navigate to="/app" replace /> },
      { path: "/login", lazy: () => import("@/pages/Login") },
      { path: "/signup", lazy: () => import("@/pages/Signup") },
      { path: "/join/:token", lazy: () => import("@/pages/Join") },
      {
        path: "/app",
        lazy: () => import("@/layout/Layout"),
        children: [
          {
            ErrorBoundary: Broken,
            children: [
              { index: true, lazy: () => import("@/pages/Overview") },
              { path: "explore", lazy: () => import("@/pages/Costs") },
              { path: "calls", lazy: () => import("@/pages/Events") },
              { path: "calls/:id", lazy: () => import("@/pages/Events/Event") },
              { path: "quality", lazy: () => import("@/pages/Metrics") },
              { path: "budgets", lazy: () => import("@/pages/Budgets") },
              { path: "advice", lazy: () => import("@/pages/Recommendations") },
              { path: "settings", lazy: () => import("@/pages/Settings"), children: settings },
              { path: "start", lazy: () => import("@/pages/GetStarted") },
            ],
          },
        ],
      },
    ],
  },
]);
