import {
  Building2,
  CircleUser,
  Database,
  FolderKanban,
  History,
  KeyRound,
  MonitorSmartphone,
  Plug,
  ShieldCheck,
  Tags,
  Users,
} from "lucide-react";

/** The pages of the settings in order. Pages for admins are hidden from viewers. */
export const GROUPS = [
  {
    label: "Workspace",
    pages: [
      { to: "workspace", label: "General", icon: Building2 },
      { to: "members", label: "Members", icon: Users },
      { to: "projects", label: "Projects", icon: FolderKanban },
      { to: "keys", label: "API keys", icon: KeyRound, adminOnly: true },
      { to: "provider-keys", label: "Provider keys", icon: Plug, adminOnly: true },
      { to: "prices", label: "Custom prices", icon: Tags },
      { to: "policy", label: "Policy", icon: ShieldCheck },
      { to: "audit", label: "Audit log", icon: History, adminOnly: true },
      { to: "data", label: "Data", icon: Database, adminOnly: true },
    ],
  },
  {
    label: "Personal",
    pages: [
      { to: "account", label: "Account", icon: CircleUser },
      { to: "sessions", label: "Sessions", icon: MonitorSmartphone },
    ],
  },
];
