import { moments } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { ExportMenu, useFormats } from "@/components/ExportMenu";
import { MenuItem, MenuLabel, MenuSeparator } from "@/ui";
import type { View } from "./view";

/** Downloads the daily costs or the calls behind them. */
export function Export({ range, view }: { range: Range; view: View }) {
  const days = { start: range.start, end: range.end, tz: range.query.tz };
  const calls = { ...moments(range), ...(view.state.by === "tag" ? {} : view.filters) };
  const formats = useFormats();
  return (
    <ExportMenu>
      {(save) => (
        <>
          <MenuLabel>{view.filtered ? "Calls matching the filters" : "All calls in this period"}</MenuLabel>
          {formats.map(({ format, label }) => (
            <MenuItem key={format} onSelect={() => save("/api/export/events", { ...calls, format }, `calls.${format}`)}>
              Calls as {label}
            </MenuItem>
          ))}
          <MenuSeparator />
          <MenuLabel>Daily totals by project and model (all calls)</MenuLabel>
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
