import { moments } from "@/lib/costs";
import type { Range } from "@/lib/range";
import { ExportMenu, useFormats } from "@/parts/exportMenu";
import { MenuItem, MenuLabel, MenuSeparator } from "@/ui";
import type { View } from "./view";

/** What is seen, as a file: the days' costs, or the calls behind them. */
export function Export({ range, view }: { range: Range; view: View }) {
  const days = { start: range.start, end: range.end, tz: range.query.tz };
  const calls = { ...moments(range), ...(view.state.by === "tag" ? {} : view.filters) };
  const formats = useFormats();
  return (
    <ExportMenu>
      {(save) => (
        <>
          <MenuLabel>{view.filtered ? "These calls, filtered as here" : "These calls"}</MenuLabel>
          {formats.map(({ format, label }) => (
            <MenuItem key={format} onSelect={() => save("/api/export/events", { ...calls, format }, `calls.${format}`)}>
              Calls as {label}
            </MenuItem>
          ))}
          <MenuSeparator />
          <MenuLabel>Each day by project and model, of all calls</MenuLabel>
          {formats.map(({ format, label }) => (
            <MenuItem key={format} onSelect={() => save("/api/export/costs", { ...days, format }, `costs.${format}`)}>
              Costs as {label}
            </MenuItem>
          ))}
          <MenuSeparator />
          <MenuItem onSelect={() => save("/api/export/focus", { ...days, format: "csv" }, "focus.csv")}>
            Costs as FOCUS 1.4 (CSV)
          </MenuItem>
        </>
      )}
    </ExportMenu>
  );
}
