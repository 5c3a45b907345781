import { useState } from "react";
import { Trash2 } from "lucide-react";
import { queryClient, signOut, updateUser, useSend, useSignedIn } from "@/api";
import { useTitle } from "@/hooks/useTitle";
import { Button, Card, ConfirmDialog, ErrorLine, Field, TextInput, toast } from "@/ui";

export function Component() {
  useTitle("Account");
  return (
    <>
      <Name />
      <Password />
      <Delete />
    </>
  );
}

const MEMBERS = ["/api/workspaces"];

function Name() {
  const { user } = useSignedIn();
  const [name, setName] = useState(user.name);
  const change = useSend("patch", "/api/auth/me", { also: MEMBERS });
  return (
    <Card title="Your name" note={`You sign in as ${user.email}.`}>
      <form
        className="max-w-sm space-y-3"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate(
            { body: { name: name.trim() } },
            {
              onSuccess: (changed) => {
                updateUser(changed);
                toast("Name saved");
              },
            },
          );
        }}
      >
        <ErrorLine error={change.error} />
        <Field label="Name" of={change.error} name="name">
          <TextInput
            required
            maxLength={128}
            autoComplete="name"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Button type="submit" look="primary" busy={change.isPending} disabled={name.trim() === user.name}>
          Save name
        </Button>
      </form>
    </Card>
  );
}

function Password() {
  const { user } = useSignedIn();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const change = useSend("patch", "/api/auth/me");
  return (
    <Card title="Password" note="Changing it signs you out everywhere else.">
      <form
        className="max-w-sm space-y-3"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate(
            { body: { password, current_password: current } },
            {
              onSuccess: () => {
                setCurrent("");
                setPassword("");
                toast("Password changed. You are signed out everywhere else.");
              },
            },
          );
        }}
      >
        <ErrorLine error={change.error} />
        {/* Tells password managers which account it is for. */}
        <input type="text" hidden readOnly autoComplete="username" value={user.email} />
        <Field label="Current password" of={change.error} name="current_password">
          <TextInput
            type="password"
            required
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.target.value)}
          />
        </Field>
        <Field label="New password" hint="At least 8 characters" of={change.error} name="password">
          <TextInput
            type="password"
            required
            minLength={8}
            maxLength={128}
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <Button type="submit" look="primary" busy={change.isPending}>
          Change password
        </Button>
      </form>
    </Card>
  );
}

function Delete() {
  const { user } = useSignedIn();
  const [asking, setAsking] = useState(false);
  const remove = useSend("delete", "/api/auth/me");
  return (
    <Card title="Delete your account">
      <p className="max-w-prose text-muted">
        You’ll be signed out everywhere. Workspaces where you are the only admin are deleted.
      </p>
      <Button
        look="danger"
        className="mt-3"
        icon={<Trash2 aria-hidden className="size-4" />}
        onClick={() => setAsking(true)}
      >
        Delete account
      </Button>
      <ConfirmDialog
        open={asking}
        onClose={() => setAsking(false)}
        title="Delete your account?"
        action="Delete permanently"
        typed={user.email}
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate({}, { onSuccess: () => void signOut().finally(() => queryClient.clear()) })}
      >
        <p>This can’t be undone. Workspaces where you are the only admin are deleted too.</p>
      </ConfirmDialog>
    </Card>
  );
}
