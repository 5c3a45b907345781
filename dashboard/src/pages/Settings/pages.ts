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

/** The pages of the settings, in the order of the list. What only admins may see is not listed for others. */
export const GROUPS = [
  {
    label: "Workspace",
    pages: [
      { to: "workspace", label: "General", icon: Building2 },
      { to: "members", label: "Members", icon: Users },
      { to: "projects", label: "Projects", icon: FolderKanban },
      { to: "keys", label: "API keys", icon: KeyRound, adminOnly: true },
      { to: "provider-keys", label: "Provider keys", icon: Plug, adminOnly: true },
      { to: "prices", label: "Own prices", icon: Tags },
      { to: "policy", label: "Policy", icon: ShieldCheck },
      { to: "audit", label: "Audit log", icon: History, adminOnly: true },
      { to: "data", label: "Data", icon: Database, adminOnly: true },
    ],
  },
  {
    label: "You",
    pages: [
      { to: "account", label: "Account", icon: CircleUser },
      { to: "sessions", label: "Sessions", icon: MonitorSmartphone },
    ],
  },
];
