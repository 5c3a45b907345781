import { usePages } from "@/api";
import type { Schema } from "@/api";
import { dateTime, exactTime } from "@/format";
import { useTitle } from "@/hooks/useTitle";
import { Card, EmptyState, LoadMore, Loaded, Table } from "@/ui";
import { AdminOnly } from "./AdminOnly";

export function Component() {
  useTitle("Audit log");
  return (
    <AdminOnly what="Audit log">
      <Log />
    </AdminOnly>
  );
}

const ACTIONS: Record<string, string> = {
  "budget.set": "set the budget",
  "budget.deleted": "deleted the budget",
  "channel.created": "added the channel",
  "channel.updated": "changed the channel",
  "channel.deleted": "deleted the channel",
  "invitation.withdrawn": "took back the invitation of",
  "key.created": "made the API key",
  "key.renamed": "renamed the API key",
  "key.revoked": "revoked the API key",
  "member.invited": "invited",
  "member.joined": "joined",
  "member.left": "left",
  "member.removed": "removed the member",
  "member.role_changed": "changed the role of",
  "price.created": "added the price of",
  "price.ended": "ended the price of",
  "project.created": "created the project",
  "project.renamed": "renamed the project",
  "project.archived": "archived the project",
  "project.restored": "brought back the project",
  "provider_key.created": "added the provider key",
  "provider_key.deleted": "forgot the provider key",
  "settings.changed": "changed",
  "workspace.created": "created the workspace",
  "workspace.renamed": "renamed the workspace",
};

function Log() {
  const log = usePages("/api/audit", { query: { limit: 50 } });
  return (
    <Card flush title="Audit log" note="Who changed what, newest first. It can only grow.">
      <Loaded of={log}>
        {({ pages }) => (
          <Table
            caption="Audit log"
            rows={pages.flatMap((page) => page.entries)}
            rowKey={({ id }) => id}
            empty={<EmptyState title="Nothing was changed yet">What admins change stands here.</EmptyState>}
            columns={[
              {
                key: "at",
                wide: true,
                header: "When",
                className: "align-top",
                cell: ({ at }) => (
                  <time dateTime={at} title={exactTime(at)} className="whitespace-nowrap text-muted">
                    {dateTime(at)}
                  </time>
                ),
              },
              {
                key: "actor",
                header: "Who",
                wide: true,
                className: "align-top",
                cell: ({ actor }) => <span className="break-words">{actor}</span>,
              },
              {
                key: "what",
                header: "What",
                className: "align-top",
                cell: (line) => (
                  <>
                    <What line={line} />
                    <span className="mt-0.5 block text-xs text-muted sm:hidden">
                      {line.actor}, {dateTime(line.at)}
                    </span>
                  </>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <LoadMore of={log} />
    </Card>
  );
}

function What({ line }: { line: Schema<"AuditLine"> }) {
  const details = Object.entries(line.details).filter(([name]) => !["id", "created_at", "created_by"].includes(name));
  return (
    <>
      <span>{ACTIONS[line.action] ?? line.action} </span>
      <span className="font-medium break-words">{line.target}</span>
      {details.length > 0 && (
        <span className="block text-xs break-words text-muted">
          {details.map(([name, value]) => `${name.replaceAll("_", " ")}: ${said(value)}`).join(" · ")}
        </span>
      )}
    </>
  );
}

const MOMENT = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/;

/** Any value in a line of words: an old and a new one with an arrow, a list with commas. */
function said(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "string") return MOMENT.test(value) ? dateTime(value) : value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(said).join(", ");
  if (typeof value !== "object") return JSON.stringify(value);
  if ("old" in value || "new" in value)
    return `${said("old" in value ? value.old : null)} → ${said("new" in value ? value.new : null)}`;
  const parts = Object.entries(value);
  return parts.length === 0 ? "all" : parts.map(([name, part]) => `${name} ${said(part)}`).join(", ");
}
