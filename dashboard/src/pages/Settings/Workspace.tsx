import { useState } from "react";
import { LogOut, Plus } from "lucide-react";
import { chooseWorkspace, queryClient, useRole, useSend, useWorkspaces } from "@/api";
import { count, date } from "@/format";
import { useSearchState } from "@/hooks/useSearchState";
import { useTitle } from "@/hooks/useTitle";
import {
  Badge,
  Button,
  Card,
  ConfirmDialog,
  Dialog,
  DialogForm,
  ErrorLine,
  Field,
  Table,
  TextInput,
  toast,
} from "@/ui";

const DEFAULTS = { new: "" };

export function Component() {
  useTitle("Workspace settings");
  const { all = [], current } = useWorkspaces();
  const admin = useRole() === "admin";
  const [state, setState] = useSearchState(DEFAULTS);
  const close = () => setState({ new: "" }, { replace: true });
  return (
    <>
      <Card title="This workspace">
        {admin && current ? (
          <Rename key={current.id} name={current.name} />
        ) : (
          <p>
            <span className="font-medium">{current?.name}</span>
            <span className="text-muted">. You are a viewer; only admins can make changes.</span>
          </p>
        )}
      </Card>
      <Card
        flush
        title="Your workspaces"
        note="Each has its own calls, members, keys and budgets."
        actions={
          <Button
            size="sm"
            icon={<Plus aria-hidden className="size-3.5" />}
            onClick={() => setState({ new: "workspace" })}
          >
            New workspace
          </Button>
        }
      >
        <Table
          caption="Your workspaces"
          rows={all}
          rowKey={({ id }) => id}
          columns={[
            {
              key: "name",
              header: "Name",
              cell: ({ id, name }) => (
                <span className="flex flex-wrap items-center gap-2">
                  <span className="font-medium break-words">{name}</span>
                  {id === current?.id && <Badge tone="accent">current</Badge>}
                </span>
              ),
            },
            { key: "role", header: "Your role", cell: ({ role }) => role },
            { key: "members", wide: true, header: "Members", right: true, cell: ({ members }) => count(members) },
            {
              key: "since",
              wide: true,
              header: "Created",
              cell: ({ created_at }) => <span className="whitespace-nowrap">{date(created_at)}</span>,
            },
            {
              key: "open",
              header: <span className="sr-only">Actions</span>,
              right: true,
              cell: ({ id, name }) =>
                id !== current?.id && (
                  <Button size="sm" aria-label={`Switch to ${name}`} onClick={() => chooseWorkspace(id)}>
                    {" "}
                    Switch{" "}
                  </Button>
                ),
            },
          ]}
        />
      </Card>
      {all.length > 1 && current && <Leave name={current.name} next={all.find(({ id }) => id !== current.id)?.id} />}
      <Dialog open={state.new === "workspace"} onClose={close} title="New workspace" note="You will be its admin.">
        <NewWorkspace onClose={close} />
      </Dialog>
    </>
  );
}

function Rename({ name: before }: { name: string }) {
  const [name, setName] = useState(before);
  const rename = useSend("patch", "/api/workspaces/current");
  return (
    <form
      className="max-w-md space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        rename.mutate({ body: { name: name.trim() } }, { onSuccess: () => toast("Workspace renamed") });
      }}
    >
      <ErrorLine error={rename.error} />
      <Field label="Name" of={rename.error} name="name">
        <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Button type="submit" look="primary" busy={rename.isPending} disabled={name.trim() === before}>
        Rename
      </Button>
    </form>
  );
}

function NewWorkspace({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const create = useSend("post", "/api/workspaces");
  return (
    <DialogForm
      action="Create workspace"
      busy={create.isPending}
      error={create.error}
      onClose={onClose}
      onSubmit={() =>
        create.mutate(
          { body: { name: name.trim() } },
          {
            onSuccess: (workspace) => {
              toast(`“${workspace.name}” created`);
              onClose();
              chooseWorkspace(workspace.id);
            },
          },
        )
      }
    >
      <Field label="Name" of={create.error} name="name">
        <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
    </DialogForm>
  );
}

function Leave({ name, next }: { name: string; next: string | undefined }) {
  const [asking, setAsking] = useState(false);
  const leave = useSend("post", "/api/workspaces/leave");
  return (
    <Card title="Leave this workspace">
      <p className="text-muted">You lose access to it. The last admin can’t leave.</p>
      <Button className="mt-3" icon={<LogOut aria-hidden className="size-4" />} onClick={() => setAsking(true)}>
        Leave
      </Button>
      <ConfirmDialog
        open={asking}
        onClose={() => setAsking(false)}
        title={`Leave “${name}”?`}
        action="Leave workspace"
        busy={leave.isPending}
        error={leave.error}
        onConfirm={() =>
          leave.mutate(
            {},
            {
              onSuccess: () => {
                queryClient.clear();
                toast(`You have left “${name}”`);
                if (next !== undefined) chooseWorkspace(next);
              },
            },
          )
        }
      >
        <p>To come back, you need a new invitation.</p>
      </ConfirmDialog>
    </Card>
  );
}
