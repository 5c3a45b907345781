import { useRole } from "@/api";
import { useRange } from "@/hooks/useRange";
import { useTitle } from "@/hooks/useTitle";
import { DateRangePicker, PageHeader } from "@/ui";
import { ErrorChart, LatencyChart } from "./Charts";
import { Figures } from "./Figures";
import { Filters } from "./Filters";
import { GoodAnswers, LatencyByModel } from "./Models";
import { Ratings } from "./Ratings";
import { useQualityView } from "./view";

/** Latency, errors and feedback. */
export function Component() {
  useTitle("Quality");
  const range = useRange();
  const view = useQualityView(range);
  const admin = useRole() === "admin";
  return (
    <>
      <PageHeader title="Quality" note="Latency, errors and cost per good answer">
        <DateRangePicker range={range} />
      </PageHeader>
      <Filters range={range} view={view} />
      <div className="space-y-4">
        <Figures view={view} />
        <div className="grid gap-4 xl:grid-cols-2">
          <LatencyChart view={view} />
          <ErrorChart view={view} />
        </div>
        <div className="grid items-start gap-4 xl:grid-cols-2">
          <LatencyByModel view={view} />
          <GoodAnswers view={view} />
        </div>
        {admin && <Ratings />}
      </div>
    </>
  );
}
