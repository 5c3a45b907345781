import { useState } from "react";
import { Archive, ArchiveRestore, FolderKanban, Pencil, Plus } from "lucide-react";
import { usePages, useRole, useSend } from "@/api";
import type { Schema } from "@/api";
import { count, money, timeZone } from "@/format";
import { useSearchState } from "@/hooks/useSearchState";
import { useTitle } from "@/hooks/useTitle";
import {
  Badge,
  Button,
  Card,
  Checkbox,
  Dialog,
  DialogForm,
  EmptyState,
  Field,
  IconButton,
  LoadMore,
  Loaded,
  Table,
  TextInput,
  Unpriced,
  toast,
  toastError,
} from "@/ui";

type Project = Schema<"Project">;
const DEFAULTS = { archived: false };
const COSTS = ["/api/costs"];

export function Component() {
  useTitle("Projects");
  const admin = useRole() === "admin";
  const [{ archived }, setState] = useSearchState(DEFAULTS);
  const projects = usePages("/api/projects", { query: { archived, limit: 50, days: 30, tz: timeZone } });
  const change = useSend("patch", "/api/projects/{project_id}", { also: COSTS });
  const [editing, setEditing] = useState<Project | "new">();
  const close = () => setEditing(undefined);
  const archive = (project: Project) =>
    change.mutate(
      { path: { project_id: project.id }, body: { archived: !project.archived } },
      {
        onSuccess: () => toast(project.archived ? `“${project.name}” restored` : `“${project.name}” archived`),
        onError: toastError,
      },
    );
  return (
    <Card
      flush
      title="Projects"
      note="Cost in the last 30 days. New project names in calls create projects automatically."
      actions={
        admin && (
          <Button
            size="sm"
            look="primary"
            icon={<Plus aria-hidden className="size-3.5" />}
            onClick={() => setEditing("new")}
          >
            New project
          </Button>
        )
      }
    >
      <div className="px-4 pb-3 sm:px-5">
        <Checkbox label="Show archived" checked={archived} onChange={(next) => setState({ archived: next })} />
      </div>
      <Loaded of={projects}>
        {({ pages }) => (
          <Table
            caption="Projects"
            rows={pages.flatMap((page) => page.projects)}
            rowKey={({ id }) => id}
            empty={
              <EmptyState title="No projects yet" icon={<FolderKanban aria-hidden className="size-5" />}>
                Send a project with your calls to see its cost here.
              </EmptyState>
            }
            columns={[
              {
                key: "name",
                header: "Name",
                cell: (project) => (
                  <span className="flex flex-wrap items-center gap-2">
                    <span className="font-medium break-words">{project.name}</span>
                    {project.archived && <Badge>archived</Badge>}
                    <Unpriced calls={project.unpriced_calls} />
                  </span>
                ),
              },
              { key: "cost", header: "Cost", right: true, cell: ({ total_cost }) => money(total_cost) },
              { key: "calls", wide: true, header: "Calls", right: true, cell: ({ call_count }) => count(call_count) },
              ...(admin
                ? [
                    {
                      key: "actions",
                      header: <span className="sr-only">Actions</span>,
                      right: true,
                      cell: (project: Project) => (
                        <>
                          <IconButton
                            size="sm"
                            label={`Rename ${project.name}`}
                            icon={<Pencil aria-hidden className="size-4" />}
                            onClick={() => setEditing(project)}
                          />
                          <IconButton
                            size="sm"
                            label={`${project.archived ? "Restore" : "Archive"} ${project.name}`}
                            icon={
                              project.archived ? (
                                <ArchiveRestore aria-hidden className="size-4" />
                              ) : (
                                <Archive aria-hidden className="size-4" />
                              )
                            }
                            disabled={change.isPending}
                            onClick={() => archive(project)}
                          />
                        </>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </Loaded>
      <LoadMore of={projects} />
      <Dialog open={editing !== undefined} onClose={close} title={editing === "new" ? "New project" : "Rename project"}>
        {editing === "new" ? <Create onClose={close} /> : editing && <Rename project={editing} onClose={close} />}
      </Dialog>
    </Card>
  );
}

function Create({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const create = useSend("post", "/api/projects");
  return (
    <DialogForm
      action="Create project"
      busy={create.isPending}
      error={create.error}
      onClose={onClose}
      onSubmit={() =>
        create.mutate(
          { body: { name: name.trim() } },
          {
            onSuccess: (project) => {
              toast(`“${project.name}” created`);
              onClose();
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

function Rename({ project, onClose }: { project: Project; onClose: () => void }) {
  const [name, setName] = useState(project.name);
  const rename = useSend("patch", "/api/projects/{project_id}", { also: COSTS });
  return (
    <DialogForm
      action="Rename"
      busy={rename.isPending}
      error={rename.error}
      onClose={onClose}
      onSubmit={() =>
        rename.mutate(
          { path: { project_id: project.id }, body: { name: name.trim() } },
          {
            onSuccess: () => {
              toast("Project renamed");
              onClose();
            },
          },
        )
      }
    >
      <Field label="Name" hint="Its calls are kept" of={rename.error} name="name">
        <TextInput required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
    </DialogForm>
  );
}
