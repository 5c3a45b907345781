import { Rocket } from "lucide-react";
import { useGet } from "@/api";
import { useRange } from "@/hooks/useRange";
import { useTitle } from "@/hooks/useTitle";
import { Card, DateRangePicker, EmptyState, LinkButton, Loaded, PageHeader, Skeleton } from "@/ui";
import { Advice } from "./Advice";
import { Anomalies, useAnomalies } from "./Anomalies";
import { Budgets } from "./Budgets";
import { Figures } from "./Figures";
import { SpendChart } from "./SpendChart";
import { TopModels } from "./TopModels";
import { UnpricedNotice } from "@/components/UnpricedNotice";
import { useSpend } from "./useSpend";

/** Spend, what drives it, and how to reduce it. */
export function Component() {
  useTitle("Overview");
  const any = useGet("/api/events", { query: { limit: 1 } });
  return (
    <Loaded of={any} skeleton={<Waiting />}>
      {({ events }) => (events.length > 0 ? <Overview /> : <Empty />)}
    </Loaded>
  );
}

function Overview() {
  const range = useRange();
  const anomalies = useAnomalies(range);
  const spend = useSpend(range);
  const unpriced = spend.series.data?.unpriced_calls ?? 0;
  return (
    <>
      <PageHeader title="Overview">
        <DateRangePicker range={range} />
      </PageHeader>
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-3">
        <div className="lg:col-span-3">
          <Figures />
        </div>
        {unpriced > 0 && (
          <div className="lg:col-span-3">
            <UnpricedNotice calls={unpriced} />
          </div>
        )}
        <SpendChart range={range} spend={spend} anomalies={anomalies.shown} className="lg:col-span-2" />
        <TopModels range={range} />
        <Anomalies anomalies={anomalies} className="lg:col-span-2" />
        <Budgets />
        <div className="lg:col-span-3">
          <Advice />
        </div>
      </div>
    </>
  );
}

function Empty() {
  return (
    <>
      <PageHeader title="Overview" />
      <Card>
        <EmptyState
          title="No calls yet"
          icon={<Rocket aria-hidden className="size-5" />}
          action={
            <LinkButton look="primary" to="/app/start">
              Send your first call
            </LinkButton>
          }
        >
          Once a call arrives, you see its cost, where your money goes and how to save. Setup takes two minutes: an API
          key and one line of code.
        </EmptyState>
      </Card>
    </>
  );
}

function Waiting() {
  return (
    <>
      <PageHeader title="Overview" />
      <div role="status" className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        <span className="sr-only">Loading</span>
        {[1, 2, 3, 4].map((card) => (
          <Skeleton key={card} className="h-28 rounded-xl" />
        ))}
        <Skeleton className="h-80 rounded-xl sm:col-span-2 xl:col-span-4" />
      </div>
    </>
  );
}
