import { Link } from "react-router";
import type { Schema } from "@/api";
import { ChartFrame, TimeSeriesChart, colorOf } from "@/charts";
import { money, shortMoney } from "@/format";
import { SPLITS, chartOf, tableOf } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { rangeSearch } from "@/hooks/useRange";
import { Card, EmptyState, Loaded, Segments, Select, Skeleton } from "@/ui";
import type { Spend } from "./useSpend";

interface Props {
  range: Range;
  spend: Spend;
  anomalies: readonly Schema<"Anomaly">[];
  className?: string;
}

/** Spend over time, grouped as chosen. */
export function SpendChart({ range, spend, anomalies, className }: Props) {
  const { by, key, keys, series, set } = spend;
  const choice = (
    <>
      {key !== undefined && (
        <Select
          aria-label="Tag"
          className="w-32"
          value={key}
          options={keys.map((one) => ({ value: one, label: one }))}
          onChange={(value) => set({ key: value })}
        />
      )}
      <Segments label="Group by" value={by} options={SPLITS} onChange={(value) => set({ by: value, key: "" })} />
    </>
  );
  if (spend.noTags) {
    return (
      <Card title="Spend" actions={choice} className={className}>
        <EmptyState title="No tags yet">
          Send tags with your calls, such as team or feature, to group spend by them.
        </EmptyState>
      </Card>
    );
  }
  return (
    <Loaded
      of={series}
      skeleton={
        <Card title="Spend" actions={choice} className={className}>
          <Skeleton className="h-72" />
        </Card>
      }
    >
      {(data) => {
        const { names, points } = chartOf(data, "total_cost", anomalies);
        return (
          <ChartFrame
            title="Spend"
            note={
              <>
                <span data-total>{money(data.total_cost)}</span>, {range.label.toLowerCase()} ·{" "}
                <Link
                  className="rounded font-medium text-accent hover:underline"
                  to={`/app/explore?${rangeSearch(range, { by, key: key ?? "" })}`}
                >
                  Explore
                </Link>
              </>
            }
            actions={choice}
            legend={names.map((name) => ({ name, color: colorOf(name) }))}
            table={tableOf(data, "total_cost")}
            className={className}
          >
            <TimeSeriesChart series={names} points={points} format={money} formatAxis={shortMoney} height={280} />
          </ChartFrame>
        );
      }}
    </Loaded>
  );
}
