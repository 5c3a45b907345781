import { useState } from "react";
import { ChevronDown, Download } from "lucide-react";
import { download } from "@/api";
import { moments } from "@/lib/costs";
import type { Range } from "@/lib/range";
import { Button, Menu, MenuItem, MenuLabel, MenuSeparator, toast, toastError } from "@/ui";
import type { View } from "./view";

const FORMATS = [
  { format: "csv", label: "CSV" },
  { format: "jsonl", label: "JSON lines" },
  { format: "parquet", label: "Parquet" },
] as const;

/** What is seen, as a file: the days' costs, or the calls behind them. */
export function Export({ range, view }: { range: Range; view: View }) {
  const [busy, setBusy] = useState(false);
  const days = { start: range.start, end: range.end, tz: range.query.tz };
  const calls = { ...moments(range), ...(view.state.by === "tag" ? {} : view.filters) };

  async function save(path: string, query: Record<string, string | undefined>, name: string) {
    setBusy(true);
    try {
      await download(path, query, name);
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
      <MenuLabel>{view.filtered ? "These calls, filtered as here" : "These calls"}</MenuLabel>
      {FORMATS.map(({ format, label }) => (
        <MenuItem key={format} onSelect={() => void save("/api/export/events", { ...calls, format }, `calls.${format}`)}>
          Calls as {label}
        </MenuItem>
      ))}
      <MenuSeparator />
      <MenuLabel>Each day by project and model, of all calls</MenuLabel>
      {FORMATS.map(({ format, label }) => (
        <MenuItem key={format} onSelect={() => void save("/api/export/costs", { ...days, format }, `costs.${format}`)}>
          Costs as {label}
        </MenuItem>
      ))}
      <MenuSeparator />
      <MenuItem onSelect={() => void save("/api/export/focus", { ...days, format: "csv" }, "focus.csv")}>
        Costs as FOCUS 1.4 (CSV)
      </MenuItem>
    </Menu>
  );
}
