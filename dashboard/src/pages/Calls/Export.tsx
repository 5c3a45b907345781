import { MenuItem, MenuLabel } from "@/ui";
import { ExportMenu, useFormats } from "@/parts/exportMenu";
import type { CallsView } from "./view";

/** All calls that pass the filters as a file, however many. */
export function Export({ view }: { view: CallsView }) {
  const { start, end, provider, model, project, status, tag, policy_violation } = view.query;
  const query = { start, end, provider, model, project, status, tag, policy_violation };
  const given = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, value ?? undefined] as const));
  const formats = useFormats();
  return (
    <ExportMenu>
      {(save) => (
        <>
          <MenuLabel>{view.filtered ? "All calls that pass the filters" : "All calls of these days"}</MenuLabel>
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
