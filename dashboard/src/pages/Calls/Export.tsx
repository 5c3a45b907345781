import { useState } from "react";
import { ChevronDown, Download } from "lucide-react";
import { download } from "@/api";
import { Button, Menu, MenuItem, MenuLabel, toast, toastError } from "@/ui";
import type { CallsView } from "./view";

const FORMATS = [
  { format: "csv", label: "CSV" },
  { format: "jsonl", label: "JSON lines" },
  { format: "parquet", label: "Parquet" },
] as const;

/** All calls that pass the filters as a file, however many. */
export function Export({ view }: { view: CallsView }) {
  const [busy, setBusy] = useState(false);
  const { start, end, provider, model, project, status, tag, policy_violation } = view.query;

  async function save(format: string) {
    setBusy(true);
    try {
      const query = { start, end, provider, model, project, status, tag, policy_violation };
      const given = Object.entries(query).map(([name, value]) => [name, value ?? undefined] as const);
      await download("/api/export/events", { ...Object.fromEntries<string | undefined>(given), format }, `calls.${format}`);
      toast("The file is saved");
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Menu
      trigger={
        <Button busy={busy} icon={<Download aria-hidden className="size-4 text-muted" />}>
          Export
          <ChevronDown aria-hidden className="-mr-1 size-4 text-muted" />
        </Button>
      }
    >
      <MenuLabel>{view.filtered ? "All calls that pass the filters" : "All calls of these days"}</MenuLabel>
      {FORMATS.map(({ format, label }) => (
        <MenuItem key={format} onSelect={() => void save(format)}>
          {label}
        </MenuItem>
      ))}
    </Menu>
  );
}
