import { useState } from "react";
import { Plug, Plus, Trash2 } from "lucide-react";
import { useGet, useSend } from "@/api";
import type { Schema } from "@/api";
import { date } from "@/format";
import { providerName } from "@/format/providers";
import { useTitle } from "@/hooks/useTitle";
import {
  Button,
  Card,
  ConfirmDialog,
  Dialog,
  DialogForm,
  EmptyState,
  Field,
  IconButton,
  Loaded,
  SuggestInput,
  Table,
  TextInput,
  toast,
} from "@/ui";
import { AdminOnly } from "./AdminOnly";

type Key = Schema<"ProviderKey">;
const PROVIDERS = ["anthropic", "openai", "google", "mistral", "cohere", "groq", "deepseek", "openrouter"];

export function Component() {
  useTitle("Provider keys");
  return (
    <AdminOnly what="Provider keys">
      <Keys />
    </AdminOnly>
  );
}

function Keys() {
  const keys = useGet("/api/provider-keys");
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Key>();
  return (
    <Card
      flush
      title="Provider keys"
      note="Your provider API keys, stored encrypted. Only the last four characters are shown."
      actions={
        <Button
          size="sm"
          look="primary"
          icon={<Plus aria-hidden className="size-3.5" />}
          onClick={() => setAdding(true)}
        >
          Add a key
        </Button>
      }
    >
      <Loaded of={keys}>
        {({ keys: all }) => (
          <Table
            caption="Provider keys"
            rows={all}
            rowKey={({ id }) => id}
            empty={
              <EmptyState title="No provider keys" icon={<Plug aria-hidden className="size-5" />}>
                Not needed for cost tracking.
              </EmptyState>
            }
            columns={[
              {
                key: "provider",
                header: "Provider",
                cell: ({ provider }) => <span className="font-medium">{providerName(provider)}</span>,
              },
              { key: "name", header: "Name", cell: ({ name }) => name },
              { key: "key", header: "Key", cell: ({ last_four }) => <code className="font-mono">…{last_four}</code> },
              {
                key: "since",
                wide: true,
                header: "Added",
                cell: ({ created_at }) => <span className="whitespace-nowrap">{date(created_at)}</span>,
              },
              {
                key: "actions",
                header: <span className="sr-only">Actions</span>,
                right: true,
                cell: (key) => (
                  <IconButton
                    size="sm"
                    label={`Remove ${providerName(key.provider)} ${key.name}`}
                    icon={<Trash2 aria-hidden className="size-4" />}
                    onClick={() => setRemoving(key)}
                  />
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <Dialog open={adding} onClose={() => setAdding(false)} title="Add a provider key">
        <Add onClose={() => setAdding(false)} />
      </Dialog>
      <Remove providerKey={removing} onClose={() => setRemoving(undefined)} />
    </Card>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const [provider, setProvider] = useState("");
  const [name, setName] = useState("default");
  const [key, setKey] = useState("");
  const add = useSend("post", "/api/provider-keys");
  return (
    <DialogForm
      action="Save key"
      busy={add.isPending}
      error={add.error}
      onClose={onClose}
      onSubmit={() =>
        add.mutate(
          { body: { provider: provider.trim(), name: name.trim(), key } },
          {
            onSuccess: () => {
              toast("Key saved");
              onClose();
            },
          },
        )
      }
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Provider" of={add.error} name="provider">
          <SuggestInput
            required
            maxLength={64}
            suggestions={PROVIDERS}
            value={provider}
            onChange={(event) => setProvider(event.target.value)}
          />
        </Field>
        <Field label="Name" hint="A name to tell keys apart" of={add.error} name="name">
          <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
      </div>
      <Field label="Key" hint="Not shown again" of={add.error} name="key">
        <TextInput
          type="password"
          required
          minLength={8}
          maxLength={4096}
          autoComplete="off"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      </Field>
    </DialogForm>
  );
}

function Remove({ providerKey, onClose }: { providerKey: Key | undefined; onClose: () => void }) {
  const remove = useSend("delete", "/api/provider-keys/{key_id}");
  const close = () => {
    remove.reset();
    onClose();
  };
  return (
    <ConfirmDialog
      open={providerKey !== undefined}
      onClose={close}
      title={`Remove the ${providerName(providerKey?.provider ?? "")} key?`}
      action="Remove key"
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() =>
        providerKey &&
        remove.mutate(
          { path: { key_id: providerKey.id } },
          {
            onSuccess: () => {
              toast("Key removed");
              close();
            },
          },
        )
      }
    >
      <p>It is only deleted here. It keeps working at the provider until you revoke it there.</p>
    </ConfirmDialog>
  );
}
