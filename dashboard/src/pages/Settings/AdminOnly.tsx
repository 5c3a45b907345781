import type { ReactNode } from "react";
import { Lock } from "lucide-react";
import { useRole } from "@/api";
import { Card, EmptyState } from "@/ui";

/** What only admins may see; others are told so. Says it in words: "API keys", and what they are for. */
export function AdminOnly({ what, children }: { what: string; children: ReactNode }) {
  if (useRole() === "admin") return children;
  return (
    <Card title={what}>
      <EmptyState title="For admins only" icon={<Lock aria-hidden className="size-5" />}>
        You are a viewer of this workspace. An admin of it can see this page, or make you an admin too.
      </EmptyState>
    </Card>
  );
}
