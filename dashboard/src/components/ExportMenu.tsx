import { type ReactNode, useState } from "react";
import { ChevronDown, Download } from "lucide-react";
import { download, useGet } from "@/api";
import { Button, Menu, toast, toastError } from "@/ui";

const FORMATS = [
  { format: "csv", label: "CSV" },
  { format: "jsonl", label: "JSON Lines" },
  { format: "parquet", label: "Parquet" },
] as const;

/** The formats that the server can write. */
export function useFormats() {
  const extras = useGet("/api/health").data?.extras ?? [];
  return FORMATS.filter(({ format }) => format !== "parquet" || extras.includes(format));
}

type Save = (...file: Parameters<typeof download>) => void;

/** A button with a menu of exports; `children` renders the items. */
export function ExportMenu({ children }: { children: (save: Save) => ReactNode }) {
  const [busy, setBusy] = useState(false);

  async function save(...file: Parameters<typeof download>) {
    setBusy(true);
    try {
      await download(...file);
      toast("File saved");
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
      {children((...file) => void save(...file))}
    </Menu>
  );
}
