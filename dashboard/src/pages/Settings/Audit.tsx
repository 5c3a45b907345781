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
  "budget.set": "set budget",
  "budget.deleted": "deleted budget",
  "channel.created": "added channel",
  "channel.updated": "changed channel",
  "channel.deleted": "deleted channel",
  "invitation.withdrawn": "revoked the invitation for",
  "key.created": "created API key",
  "key.renamed": "renamed API key",
  "key.revoked": "revoked API key",
  "member.invited": "invited",
  "member.joined": "joined as",
  "member.left": "left",
  "member.removed": "removed member",
  "member.role_changed": "changed the role of",
  "price.created": "added a price for",
  "price.ended": "ended the price for",
  "project.created": "created project",
  "project.renamed": "renamed project",
  "project.archived": "archived project",
  "project.restored": "restored project",
  "provider_key.created": "added provider key",
  "provider_key.deleted": "removed provider key",
  "settings.changed": "changed",
  "workspace.created": "created workspace",
  "workspace.renamed": "renamed workspace",
};

function Log() {
  const log = usePages("/api/audit", { query: { limit: 50 } });
  return (
    <Card flush title="Audit log" note="Every change, newest first. Entries can’t be edited or deleted.">
      <Loaded of={log}>
        {({ pages }) => (
          <Table
            caption="Audit log"
            rows={pages.flatMap((page) => page.entries)}
            rowKey={({ id }) => id}
            empty={<EmptyState title="No changes yet">Changes by admins appear here.</EmptyState>}
            columns={[
              {
                key: "at",
                wide: true,
                header: "Time",
                className: "align-top",
                cell: ({ at }) => (
                  <time dateTime={at} title={exactTime(at)} className="whitespace-nowrap text-muted">
                    {dateTime(at)}
                  </time>
                ),
              },
              {
                key: "actor",
                header: "User",
                wide: true,
                className: "align-top",
                cell: ({ actor }) => <span className="break-words">{actor}</span>,
              },
              {
                key: "what",
                header: "Change",
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
  // The target of this entry is the user, who is shown already.
  const joinedAs = line.action === "member.joined" ? valueText(line.details.role) : undefined;
  const hidden = ["id", "created_at", "created_by", ...(joinedAs === undefined ? [] : ["role"])];
  const details = Object.entries(line.details).filter(([name]) => !hidden.includes(name));
  return (
    <>
      <span>{ACTIONS[line.action] ?? line.action} </span>
      <span className="font-medium break-words">{joinedAs ?? line.target}</span>
      {details.length > 0 && (
        <span className="block text-xs break-words text-muted">
          {details.map(([name, value]) => `${name.replaceAll("_", " ")}: ${valueText(value)}`).join(" · ")}
        </span>
      )}
    </>
  );
}

const MOMENT = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/;

/** Formats any value: old and new with an arrow, a list with commas. */
function valueText(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "string") return MOMENT.test(value) ? dateTime(value) : value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(valueText).join(", ");
  if (typeof value !== "object") return JSON.stringify(value);
  if ("old" in value || "new" in value)
    return `${valueText("old" in value ? value.old : null)} → ${valueText("new" in value ? value.new : null)}`;
  const parts = Object.entries(value);
  return parts.length === 0 ? "all" : parts.map(([name, part]) => `${name} ${valueText(part)}`).join(", ");
}
