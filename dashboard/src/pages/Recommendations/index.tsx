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

/** Recommendations, forecast and anomalies. An anchor after `#` selects an item. */
export function Component() {
  useTitle("Advice");
  const [state, set] = useSearchState(DEFAULTS);
  const pointedAt = decodeURIComponent(useLocation().hash.slice(1));
  const chosen = DAYS.find(({ value }) => value === state.days)?.value ?? "30";
  const days = Number(chosen);
  const shown = TABS.find((tab) => tab === state.show) ?? tabOf(pointedAt) ?? "models";
  return (
    <>
      <PageHeader title="Advice" note="Based on your actual usage">
        {shown !== "forecast" && (
          <Segments label="Period" value={chosen} options={DAYS} onChange={(value) => set({ days: value })} />
        )}
      </PageHeader>
      <Tabs
        label="Advice"
        value={shown}
        onChange={(show) => set({ show })}
        tabs={[
          { value: "models", label: "Model switches", content: <Switches days={days} /> },
          { value: "savings", label: "Waste", content: <Optimizations days={days} /> },
          { value: "forecast", label: "Forecast", content: <Forecast /> },
          { value: "anomalies", label: "Anomalies", content: <Anomalies days={days} pointedAt={pointedAt} /> },
        ]}
      />
    </>
  );
}
