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
    onSuccess: () => toast("The archive is saved"),
    onError: toastError,
  });
  return (
    <Card title="Export everything">
      <p className="max-w-prose text-muted">
        All that this workspace holds, as a ZIP of JSON lines, a file of each kind: calls, totals, budgets, alerts,
        members, settings and the audit log. Of keys and channels it holds no secrets.
      </p>
      <Button
        className="mt-3"
        icon={<Download aria-hidden className="size-4" />}
        busy={run.isPending}
        onClick={() => run.mutate()}
      >
        Download the archive
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
        Its calls, totals, budgets, keys and members are deleted for good, for everybody. Applications that send calls
        with its keys are refused at once.
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
        title={`Delete “${current.name}” and all it holds?`}
        action="Delete for good"
        typed={current.name}
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() =>
          remove.mutate(
            { query: { name: current.name } },
            {
              onSuccess: () => {
                queryClient.clear();
                toast(`“${current.name}” is deleted`);
                if (next) chooseWorkspace(next.id);
                else void signOut();
              },
            },
          )
        }
      >
        <p>Nobody can bring it back. Export it before if you may need it.</p>
      </ConfirmDialog>
    </Card>
  );
}
