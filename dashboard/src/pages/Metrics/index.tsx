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

/** How well the calls went: how fast, how often not at all, and what people think of the answers. */
export function Component() {
  useTitle("Quality");
  const range = useRange();
  const view = useQualityView(range);
  const admin = useRole() === "admin";
  return (
    <>
      <PageHeader title="Quality" note="How fast, how reliable, and what a good answer costs.">
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
