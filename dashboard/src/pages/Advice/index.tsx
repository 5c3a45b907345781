import { useEffect } from "react";
import { Link, useLocation } from "react-router";
import { useSearchState } from "@/lib/searchState";
import { useTitle } from "@/lib/title";
import { PageHeader, Segments } from "@/ui";
import { Anomalies } from "./Anomalies";
import { Forecast } from "./Forecast";
import { Optimizations } from "./Optimizations";
import { Switches } from "./Switches";

const DEFAULTS = { days: "30" };
const DAYS = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
] as const;

const SECTIONS = [
  { id: "models", label: "Other models" },
  { id: "savings", label: "Avoidable cost" },
  { id: "forecast", label: "Forecast" },
  { id: "anomalies", label: "What was unusual" },
];

/** What could be done, what will come, and what was odd. `#` and a section's or an item's name leads to it. */
export function Component() {
  useTitle("Advice");
  const [state, set] = useSearchState(DEFAULTS);
  const { hash, search } = useLocation();
  const pointedAt = decodeURIComponent(hash.slice(1));
  const chosen = DAYS.find(({ value }) => value === state.days)?.value ?? "30";
  const days = Number(chosen);
  useEffect(() => {
    if (pointedAt !== "") document.getElementById(pointedAt)?.scrollIntoView();
  }, [pointedAt]);
  return (
    <>
      <PageHeader title="Advice" note="From what was really used, with the numbers it rests on.">
        <Segments label="From the last" value={chosen} options={DAYS} onChange={(value) => set({ days: value })} />
      </PageHeader>
      <nav aria-label="On this page" className="mb-4 flex flex-wrap gap-x-5 gap-y-1.5">
        {SECTIONS.map(({ id, label }) => (
          <Link
            key={id}
            to={{ search, hash: id }}
            className="rounded font-medium text-accent hover:underline"
            onClick={() => document.getElementById(id)?.scrollIntoView()}
          >
            {label}
          </Link>
        ))}
      </nav>
      <div className="space-y-4">
        <Switches days={days} />
        <Optimizations days={days} />
        <Forecast />
        <Anomalies days={days} pointedAt={pointedAt} />
      </div>
    </>
  );
}
