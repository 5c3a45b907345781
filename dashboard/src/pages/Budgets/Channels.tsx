import { useState } from "react";
import { BellRing, Plus, Send, Trash2 } from "lucide-react";
import { useGetIf, useRole, useSend } from "@/api";
import type { Schema } from "@/api";
import {
  Badge,
  Button,
  Card,
  ConfirmDialog,
  Dialog,
  DialogForm,
  EmptyState,
  Field,
  IconButton,
  Loaded,
  Secret,
  Select,
  TextInput,
  toast,
  toastError,
} from "@/ui";
import { DeliveryBadge } from "./Alerts";

type Channel = Schema<"AlertChannel">;
type Kind = Channel["kind"];

const KINDS: Record<Kind, { label: string; hint: string; example: string }> = {
  webhook: { label: "Webhook", hint: "Receives signed JSON", example: "https://example.com/hooks/llmlab" },
  slack: {
    label: "Slack",
    hint: "URL of an incoming webhook",
    example: "https://hooks.slack.com/services/...",
  },
  discord: { label: "Discord", hint: "URL of a webhook", example: "https://discord.com/api/webhooks/..." },
  email: {
    label: "Email",
    hint: "Apprise URL",
    example: "mailtos://user:password@host?to=alerts@example.com",
  },
  other: { label: "Other", hint: "Any Apprise URL", example: "tgram://token/chat" },
};
const KIND_OPTIONS = (Object.keys(KINDS) as Kind[]).map((value) => ({ value, label: KINDS[value].label }));

const DIGESTS = [
  { value: "none", label: "No digest" },
  { value: "daily", label: "Daily digest" },
  { value: "weekly", label: "Weekly digest" },
] as const;
const digestOf = (value: string): Channel["digest"] => (value === "daily" || value === "weekly" ? value : null);

/** Alert channels. For admins. */
export function Channels() {
  const admin = useRole() === "admin";
  const channels = useGetIf(admin, "/api/alert-channels");
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<string>();

  if (!admin) {
    return (
      <Card>
        <p className="text-muted">Only admins can view and edit alert channels.</p>
      </Card>
    );
  }
  const add = (
    <Button size="sm" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => setAdding(true)}>
      Add a channel
    </Button>
  );
  return (
    <Card flush title="Alert channels" note="Every channel gets all alerts. Digests are optional." actions={add}>
      <Loaded of={channels}>
        {({ channels: all }) =>
          all.length === 0 ? (
            <EmptyState title="No channels yet" icon={<BellRing aria-hidden className="size-5" />}>
              Alerts only appear on this page. Add a webhook, Slack, Discord or email to receive them elsewhere.
            </EmptyState>
          ) : (
            <ul aria-label="Channels" className="divide-y divide-line border-t">
              {all.map((channel) => (
                <Row key={channel.id} channel={channel} />
              ))}
            </ul>
          )
        }
      </Loaded>
      <Dialog open={adding} onClose={() => setAdding(false)} title="Add a channel">
        <ChannelForm onClose={() => setAdding(false)} onSecret={setSecret} />
      </Dialog>
      <Dialog
        open={secret !== undefined}
        onClose={() => setSecret(undefined)}
        title="Signing secret"
        note="Shown once. Use it to verify our signatures."
        footer={
          <Button look="primary" onClick={() => setSecret(undefined)}>
            Done
          </Button>
        }
      >
        {secret !== undefined && <Secret value={secret} label="signing secret" />}
      </Dialog>
    </Card>
  );
}

function Row({ channel }: { channel: Channel }) {
  const change = useSend("patch", "/api/alert-channels/{channel_id}");
  const remove = useSend("delete", "/api/alert-channels/{channel_id}");
  const test = useSend("post", "/api/alerts/test");
  const [removing, setRemoving] = useState(false);
  const path = { channel_id: channel.id };
  return (
    <li data-channel={channel.name} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3 sm:px-5">
      <div className="min-w-0 flex-1 basis-56">
        <p className="flex flex-wrap items-center gap-2 font-medium">
          <span className="min-w-0 break-words">{channel.name}</span>
          <Badge>{KINDS[channel.kind].label}</Badge>
        </p>
        <p className="text-xs break-all text-muted">{channel.target}</p>
        <TestResult alert={test.data} />
      </div>
      <div className="flex flex-wrap items-center gap-1.5">
        <div className="w-40">
          <Select
            aria-label={`Digest of ${channel.name}`}
            options={DIGESTS}
            value={channel.digest ?? "none"}
            disabled={change.isPending}
            onChange={(value) =>
              change.mutate(
                { path, body: { digest: digestOf(value) } },
                { onSuccess: () => toast(`“${channel.name}” updated`), onError: toastError },
              )
            }
          />
        </div>
        <Button
          icon={<Send aria-hidden className="size-3.5" />}
          busy={test.isPending}
          aria-label={`Test ${channel.name}`}
          onClick={() => test.mutate({ body: { channel_id: channel.id } }, { onError: toastError })}
        >
          Test
        </Button>
        <IconButton
          label={`Delete ${channel.name}`}
          icon={<Trash2 aria-hidden className="size-4" />}
          onClick={() => setRemoving(true)}
        />
      </div>
      <ConfirmDialog
        open={removing}
        onClose={() => setRemoving(false)}
        title={`Delete the channel “${channel.name}”?`}
        action="Delete channel"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate({ path }, { onSuccess: () => toast(`“${channel.name}” deleted`) })}
      >
        <p>No more alerts are sent there. The history is kept.</p>
      </ConfirmDialog>
    </li>
  );
}

/** The result of the test delivery. */
function TestResult({ alert }: { alert: Schema<"Alert"> | undefined }) {
  const recent = useGetIf(alert !== undefined, "/api/alerts", { query: { limit: 20 } });
  const found = alert && (recent.data?.alerts.find(({ id }) => id === alert.id) ?? alert);
  const delivery = found?.deliveries[0];
  return (
    <div role="status" data-test-result={delivery?.status} className="text-xs">
      {delivery && (
        <div className="mt-1.5">
          <DeliveryBadge delivery={{ ...delivery, channel: "Test" }} />
          {delivery.status !== "delivered" && delivery.last_error !== null && (
            <p className="mt-1 break-words text-bad">{delivery.last_error}</p>
          )}
        </div>
      )}
    </div>
  );
}

function ChannelForm({ onClose, onSecret }: { onClose: () => void; onSecret: (secret: string) => void }) {
  const [kind, setKind] = useState<Kind>("webhook");
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [digest, setDigest] = useState("none");
  const create = useSend("post", "/api/alert-channels");
  const { hint, example } = KINDS[kind];
  return (
    <DialogForm
      action="Add channel"
      busy={create.isPending}
      error={create.error}
      onClose={onClose}
      onSubmit={() =>
        create.mutate(
          { body: { kind, name: name.trim(), url, digest: digestOf(digest) } },
          {
            onSuccess: (channel) => {
              toast(`“${channel.name}” added`);
              onClose();
              if (channel.signing_secret !== null) onSecret(channel.signing_secret);
            },
          },
        )
      }
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Kind" of={create.error} name="kind">
          <Select options={KIND_OPTIONS} value={kind} onChange={(value) => setKind(value as Kind)} />
        </Field>
        <Field label="Name" of={create.error} name="name">
          <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
      </div>
      <Field label="URL" hint={`${hint}. Stored encrypted; not shown again.`} of={create.error} name="url">
        <TextInput
          required
          minLength={8}
          maxLength={2048}
          autoComplete="off"
          spellCheck={false}
          placeholder={example}
          value={url}
          onChange={(event) => setUrl(event.target.value)}
        />
      </Field>
      <Field label="Digest" hint="A daily or weekly summary, in addition to alerts" of={create.error} name="digest">
        <Select options={DIGESTS} value={digest} onChange={setDigest} />
      </Field>
    </DialogForm>
  );
}
