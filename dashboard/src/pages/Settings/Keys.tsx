import { useState } from "react";
import { KeyRound, Pencil, Plus, Trash2, TriangleAlert } from "lucide-react";
import { useGet, useSend } from "@/api";
import type { Schema } from "@/api";
import { ago, count, date, dateTime, timeZone } from "@/format";
import { useTitle } from "@/hooks/useTitle";
import {
  Badge,
  Button,
  Card,
  Checkbox,
  ConfirmDialog,
  Dialog,
  DialogForm,
  EmptyState,
  Field,
  IconButton,
  Loaded,
  Secret,
  Select,
  SuggestInput,
  Table,
  TextInput,
  toast,
} from "@/ui";
import { AdminOnly } from "./AdminOnly";

type Key = Schema<"ApiKey">;
type Scope = Key["scopes"][number];

const SCOPES: { value: Scope; label: string; hint: string }[] = [
  {
    value: "events:write",
    label: "Send calls",
    hint: "events:write: sends calls, checks budgets and makes reservations; cannot read data",
  },
  { value: "read", label: "Read", hint: "read: same as a viewer" },
  { value: "admin", label: "Admin", hint: "admin: same as an admin" },
];

const LIMITS: Record<Key["refused"][number]["limit"], string> = {
  key_requests: "limit of requests per key",
  user_requests: "limit of requests per user",
  workspace_requests: "limit of requests per workspace",
  address_requests: "limit of requests per address",
  ingest_events: "ingest limit (events)",
  ingest_bytes: "ingest limit (bytes)",
  guard_requests: "limit of budget checks",
  streams: "limit of open streams",
  failed_logins: "limit of failed logins",
};

export function Component() {
  useTitle("API keys");
  return (
    <AdminOnly what="API keys">
      <Keys />
    </AdminOnly>
  );
}

function Keys() {
  const keys = useGet("/api/keys");
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<Schema<"NewApiKey">>();
  const [renaming, setRenaming] = useState<Key>();
  const [revoking, setRevoking] = useState<Key>();
  return (
    <Card
      flush
      title="API keys"
      note="Keys for your applications. Each is shown only once."
      actions={
        <Button
          size="sm"
          look="primary"
          icon={<Plus aria-hidden className="size-3.5" />}
          onClick={() => setCreating(true)}
        >
          New key
        </Button>
      }
    >
      <Loaded of={keys}>
        {({ keys: all }) => (
          <Table
            caption="API keys"
            rows={all}
            rowKey={({ id }) => id}
            empty={
              <EmptyState title="No keys yet" icon={<KeyRound aria-hidden className="size-5" />}>
                Applications need a key to send calls.
              </EmptyState>
            }
            columns={[
              {
                key: "name",
                header: "Name",
                cell: ({ name, last_four, project, last_used_at, expires_at, refused }) => (
                  <>
                    <span className="font-medium break-words">{name}</span>
                    <span className="block text-xs text-muted">
                      <code className="font-mono">…{last_four}</code>
                      {project !== null && ` · project ${project}`}
                    </span>
                    <span className="block text-xs text-muted sm:hidden">
                      Last used {ago(last_used_at)} · expires <Expires at={expires_at} />
                    </span>
                    <RefusedRequests of={refused} />
                  </>
                ),
              },
              {
                key: "scopes",
                header: "Scopes",
                cell: ({ scopes }) => (
                  <span className="flex flex-wrap gap-1">
                    {scopes.map((scope) => (
                      <Badge key={scope} tone={scope === "admin" ? "warn" : "neutral"}>
                        {scope}
                      </Badge>
                    ))}
                  </span>
                ),
              },
              {
                key: "used",
                wide: true,
                header: "Last used",
                cell: ({ last_used_at }) => (
                  <span className="whitespace-nowrap" title={dateTime(last_used_at)}>
                    {ago(last_used_at)}
                  </span>
                ),
              },
              {
                key: "expires",
                wide: true,
                header: "Expires",
                cell: ({ expires_at }) => <Expires at={expires_at} />,
              },
              {
                key: "actions",
                header: <span className="sr-only">Actions</span>,
                right: true,
                cell: (key) => (
                  <>
                    <IconButton
                      size="sm"
                      label={`Rename ${key.name}`}
                      icon={<Pencil aria-hidden className="size-4" />}
                      onClick={() => setRenaming(key)}
                    />
                    <IconButton
                      size="sm"
                      label={`Revoke ${key.name}`}
                      icon={<Trash2 aria-hidden className="size-4" />}
                      onClick={() => setRevoking(key)}
                    />
                  </>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <Dialog open={creating} onClose={() => setCreating(false)} title="New API key">
        <Create onClose={() => setCreating(false)} onDone={setCreated} />
      </Dialog>
      <Dialog
        open={created !== undefined}
        onClose={() => setCreated(undefined)}
        title={`API key “${created?.name ?? ""}”`}
        note="Copy it now; it won’t be shown again."
        footer={
          <Button look="primary" onClick={() => setCreated(undefined)}>
            Done
          </Button>
        }
      >
        {created && <Secret value={created.key} label="API key" />}
      </Dialog>
      <Dialog open={renaming !== undefined} onClose={() => setRenaming(undefined)} title="Rename API key">
        {renaming && <Rename apiKey={renaming} onClose={() => setRenaming(undefined)} />}
      </Dialog>
      <Revoke apiKey={revoking} onClose={() => setRevoking(undefined)} />
    </Card>
  );
}

/** What limits refused, by limit. Refused recordings come first, because they may be lost. */
function RefusedRequests({ of }: { of: Key["refused"] }) {
  const recordings = (limit: string) => limit.startsWith("ingest_");
  return [...of]
    .sort((one, other) => Number(recordings(other.limit)) - Number(recordings(one.limit)))
    .map(({ limit, requests }) => (
      <span
        key={limit}
        className={`mt-1 flex items-start gap-1 text-xs ${recordings(limit) ? "text-bad" : "text-muted"}`}
      >
        <TriangleAlert aria-hidden className="mt-0.5 size-3 shrink-0" />
        <span>
          {count(requests)} {requests === 1 ? "request was" : "requests were"} refused in the last 24 hours: the{" "}
          {LIMITS[limit]}
        </span>
      </span>
    ));
}

function Expires({ at }: { at: string | null }) {
  if (at === null) return <span className="text-muted">never</span>;
  return (
    <span className="whitespace-nowrap" title={dateTime(at)}>
      {new Date(at) <= new Date() ? <Badge tone="bad">expired {date(at)}</Badge> : date(at)}
    </span>
  );
}

const ENDS = [
  { value: "", label: "Never" },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In 1 year" },
  { value: "at", label: "Custom date" },
];

function endOf(ends: string, at: string): string | null {
  if (ends === "") return null;
  return (ends === "at" ? new Date(at) : new Date(Date.now() + Number(ends) * 86_400_000)).toISOString();
}

function Create({ onClose, onDone }: { onClose: () => void; onDone: (key: Schema<"NewApiKey">) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["events:write"]);
  const [project, setProject] = useState("");
  const [ends, setEnds] = useState("");
  const [at, setAt] = useState("");
  const projects = useGet("/api/projects", { query: { limit: 200, days: 30, tz: timeZone } }).data?.projects ?? [];
  const create = useSend("post", "/api/keys");
  return (
    <DialogForm
      action="Create key"
      busy={create.isPending}
      error={create.error}
      onClose={onClose}
      onSubmit={() =>
        create.mutate(
          { body: { name: name.trim(), scopes: [...scopes], project: project || null, expires_at: endOf(ends, at) } },
          {
            onSuccess: (key) => {
              onClose();
              onDone(key);
            },
          },
        )
      }
    >
      <Field label="Name" hint="For example the application that uses it" of={create.error} name="name">
        <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <fieldset className="space-y-2.5">
        <legend className="mb-2 text-[0.8125rem] font-medium">Permissions</legend>
        {SCOPES.map(({ value, label, hint }) => (
          <Checkbox
            key={value}
            label={label}
            hint={hint}
            checked={scopes.includes(value)}
            onChange={(on) => setScopes(on ? [...scopes, value] : scopes.filter((scope) => scope !== value))}
          />
        ))}
      </fieldset>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Default project" hint="For calls without a project" of={create.error} name="project">
          <SuggestInput
            maxLength={128}
            suggestions={projects.map((one) => one.name)}
            value={project}
            onChange={(event) => setProject(event.target.value)}
          />
        </Field>
        <Field label="Expires" of={create.error} name="expires_at">
          <Select options={ENDS} value={ends} onChange={setEnds} />
        </Field>
        {ends === "at" && (
          <Field label="Expires at" className="sm:col-start-2">
            <TextInput type="datetime-local" required value={at} onChange={(event) => setAt(event.target.value)} />
          </Field>
        )}
      </div>
    </DialogForm>
  );
}

function Rename({ apiKey, onClose }: { apiKey: Key; onClose: () => void }) {
  const [name, setName] = useState(apiKey.name);
  const rename = useSend("patch", "/api/keys/{key_id}");
  return (
    <DialogForm
      action="Rename"
      busy={rename.isPending}
      error={rename.error}
      onClose={onClose}
      onSubmit={() =>
        rename.mutate(
          { path: { key_id: apiKey.id }, body: { name: name.trim() } },
          {
            onSuccess: () => {
              toast("Key renamed");
              onClose();
            },
          },
        )
      }
    >
      <Field label="Name" of={rename.error} name="name">
        <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
    </DialogForm>
  );
}

function Revoke({ apiKey, onClose }: { apiKey: Key | undefined; onClose: () => void }) {
  const revoke = useSend("delete", "/api/keys/{key_id}");
  const close = () => {
    revoke.reset();
    onClose();
  };
  return (
    <ConfirmDialog
      open={apiKey !== undefined}
      onClose={close}
      title={`Revoke “${apiKey?.name ?? ""}”?`}
      action="Revoke key"
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() =>
        apiKey &&
        revoke.mutate(
          { path: { key_id: apiKey.id } },
          {
            onSuccess: () => {
              toast(`“${apiKey.name}” revoked`);
              close();
            },
          },
        )
      }
    >
      <p>The key ending in {apiKey?.last_four} stops working immediately. This can’t be undone.</p>
    </ConfirmDialog>
  );
}
