import { useState } from "react";
import { useMutation } from "@tanstack/react-query";
import { Download, Trash2 } from "lucide-react";
import { chooseWorkspace, download, queryClient, signOut, useSend, useWorkspaces } from "@/api";
import { useTitle } from "@/hooks/useTitle";
import { Button, Card, ConfirmDialog, toast, toastError } from "@/ui";
import { AdminOnly } from "./AdminOnly";

export function Component() {
  useTitle("Data");
  return (
    <AdminOnly what="Data">
      <Export />
      <Delete />
    </AdminOnly>
  );
}

function Export() {
  const run = useMutation({
    mutationFn: () => download("/api/workspaces/export", {}, "llmlab.zip"),
    onSuccess: () => toast("Archive saved"),
    onError: toastError,
  });
  return (
    <Card title="Export everything">
      <p className="max-w-prose text-muted">
        A ZIP of JSON Lines files: calls, totals, budgets, alerts, members, settings and the audit log. Secrets are not
        included.
      </p>
      <Button
        className="mt-3"
        icon={<Download aria-hidden className="size-4" />}
        busy={run.isPending}
        onClick={() => run.mutate()}
      >
        Download archive
      </Button>
    </Card>
  );
}

function Delete() {
  const { all = [], current } = useWorkspaces();
  const [asking, setAsking] = useState(false);
  const remove = useSend("delete", "/api/workspaces/current");
  if (!current) return null;
  const next = all.find(({ id }) => id !== current.id);
  return (
    <Card title="Delete this workspace">
      <p className="max-w-prose text-muted">
        Its calls, totals, budgets, keys and members are permanently deleted for everyone. Its API keys stop working
        immediately.
      </p>
      <Button
        look="danger"
        className="mt-3"
        icon={<Trash2 aria-hidden className="size-4" />}
        onClick={() => setAsking(true)}
      >
        Delete workspace
      </Button>
      <ConfirmDialog
        open={asking}
        onClose={() => setAsking(false)}
        title={`Delete “${current.name}” and all its data?`}
        action="Delete permanently"
        typed={current.name}
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() =>
          remove.mutate(
            { query: { name: current.name } },
            {
              onSuccess: () => {
                queryClient.clear();
                toast(`“${current.name}” deleted`);
                if (next) chooseWorkspace(next.id);
                else void signOut();
              },
            },
          )
        }
      >
        <p>This can’t be undone. Export first if you may need the data.</p>
      </ConfirmDialog>
    </Card>
  );
}
