import { MenuItem, MenuLabel } from "@/ui";
import { ExportMenu, useFormats } from "@/components/ExportMenu";
import type { CallsView } from "./view";

/** Downloads all calls that match the filters. */
export function Export({ view }: { view: CallsView }) {
  const { start, end, provider, model, project, status, tag, policy_violation } = view.query;
  const query = { start, end, provider, model, project, status, tag, policy_violation };
  const given = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, value ?? undefined] as const));
  const formats = useFormats();
  return (
    <ExportMenu>
      {(save) => (
        <>
          <MenuLabel>{view.filtered ? "Calls matching the filters" : "All calls in this period"}</MenuLabel>
          {formats.map(({ format, label }) => (
            <MenuItem key={format} onSelect={() => save("/api/export/events", { ...given, format }, `calls.${format}`)}>
              {label}
            </MenuItem>
          ))}
        </>
      )}
    </ExportMenu>
  );
}
