import { Navigate, createBrowserRouter } from "react-router";
import { settings } from "@/pages/Settings/routes";
import { Broken, Starting } from "@/shell/states";

/** Every page is a file of its own, loaded when it is first opened; it exports `Component`. */
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
        lazy: () => import("@/shell/Shell"),
        children: [
          {
            ErrorBoundary: Broken,
            children: [
              { index: true, lazy: () => import("@/pages/Overview") },
              { path: "explore", lazy: () => import("@/pages/Explore") },
              { path: "calls", lazy: () => import("@/pages/Calls") },
              { path: "calls/:id", lazy: () => import("@/pages/Call") },
              { path: "quality", lazy: () => import("@/pages/Quality") },
              { path: "budgets", lazy: () => import("@/pages/Budgets") },
              { path: "advice", lazy: () => import("@/pages/Advice") },
              { path: "settings", lazy: () => import("@/pages/Settings"), children: settings },
              { path: "start", lazy: () => import("@/pages/Start") },
            ],
          },
        ],
      },
    ],
  },
]);
