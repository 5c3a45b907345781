import { Compass, Gauge, LayoutDashboard, Lightbulb, List, Rocket, Settings, Wallet } from "lucide-react";

export const PAGES = [
  { to: "/app", label: "Overview", icon: LayoutDashboard, end: true },
  { to: "/app/explore", label: "Explore", icon: Compass },
  { to: "/app/calls", label: "Calls", icon: List },
  { to: "/app/quality", label: "Quality", icon: Gauge },
  { to: "/app/budgets", label: "Budgets", icon: Wallet },
  { to: "/app/advice", label: "Advice", icon: Lightbulb },
] as const;

export const MORE = [
  { to: "/app/start", label: "Get started", icon: Rocket },
  { to: "/app/settings", label: "Settings", icon: Settings },
] as const;
