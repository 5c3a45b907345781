import type { ReactNode } from "react";
import { Lock } from "lucide-react";
import { useRole } from "@/api";
import { Card, EmptyState } from "@/ui";

/** Renders its children for admins, and a notice for viewers. */
export function AdminOnly({ what, children }: { what: string; children: ReactNode }) {
  if (useRole() === "admin") return children;
  return (
    <Card title={what}>
      <EmptyState title="For admins only" icon={<Lock aria-hidden className="size-5" />}>
        You are a viewer of this workspace. Ask an admin for access.
      </EmptyState>
    </Card>
  );
}
