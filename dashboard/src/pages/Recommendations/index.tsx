import { useLocation } from "react-router";
import { useSearchState } from "@/hooks/useSearchState";
import { useTitle } from "@/hooks/useTitle";
import { PageHeader, Segments, Tabs } from "@/ui";
import { Anomalies } from "./Anomalies";
import { Forecast } from "./Forecast";
import { Optimizations } from "./Optimizations";
import { Switches } from "./Switches";
import { TABS, tabOf } from "./anchors";

const DEFAULTS = { days: "30", show: "" };
const DAYS = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
] as const;

/** What could be done, what will come, and what was odd. An item's name after `#` leads to it. */
export function Component() {
  useTitle("Advice");
  const [state, set] = useSearchState(DEFAULTS);
  const pointedAt = decodeURIComponent(useLocation().hash.slice(1));
  const chosen = DAYS.find(({ value }) => value === state.days)?.value ?? "30";
  const days = Number(chosen);
  const shown = TABS.find((tab) => tab === state.show) ?? tabOf(pointedAt) ?? "models";
  return (
    <>
      <PageHeader title="Advice" note="From what was really used, with the numbers it rests on.">
        {shown !== "forecast" && (
          <Segments label="From the last" value={chosen} options={DAYS} onChange={(value) => set({ days: value })} />
        )}
      </PageHeader>
      <Tabs
        label="Advice"
        value={shown}
        onChange={(show) => set({ show })}
        tabs={[
          { value: "models", label: "Other models", content: <Switches days={days} /> },
          { value: "savings", label: "Avoidable cost", content: <Optimizations days={days} /> },
          { value: "forecast", label: "Forecast", content: <Forecast /> },
          { value: "anomalies", label: "What was unusual", content: <Anomalies days={days} pointedAt={pointedAt} /> },
        ]}
      />
    </>
  );
}
