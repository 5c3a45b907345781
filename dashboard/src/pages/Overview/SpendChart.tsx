import { Link } from "react-router";
import { useGet, useGetIf } from "@/api";
import type { Schema } from "@/api";
import { ChartFrame, TimeSeriesChart, colorOf } from "@/charts";
import { money, shortMoney } from "@/format";
import { SPLITS, bucketOf, chartOf, isSplit, tableOf } from "@/lib/costs";
import type { Range } from "@/lib/range";
import { rangeSearch } from "@/lib/range";
import { useSearchState } from "@/lib/searchState";
import { Card, EmptyState, Loaded, Segments, Select, Skeleton } from "@/ui";
import { UnpricedNotice } from "./UnpricedNotice";

const DEFAULTS = { by: "model", key: "" };
/** More colours than these nobody tells apart. */
const NAMES = 8;

interface Props {
  range: Range;
  anomalies: readonly Schema<"Anomaly">[];
  className?: string;
}

/** Spend over time, stacked by what the reader chose. */
export function SpendChart({ range, anomalies, className }: Props) {
  const [state, setState] = useSearchState(DEFAULTS);
  const by = isSplit(state.by) ? state.by : "model";
  const keys = useGet("/api/costs/tag-keys").data?.keys ?? [];
  const key = state.key || keys[0];
  const series = useGetIf(by !== "tag" || key !== undefined, "/api/costs/timeseries", {
    query: { ...range.query, bucket: bucketOf(range), by, key: by === "tag" ? key : undefined, limit: NAMES },
  });
  const choice = (
    <>
      {by === "tag" && key !== undefined && (
        <Select
          aria-label="Tag"
          className="w-32"
          value={key}
          options={keys.map((one) => ({ value: one, label: one }))}
          onChange={(value) => setState({ key: value })}
        />
      )}
      <Segments
        label="Stacked by"
        value={by}
        options={SPLITS.filter(({ value }) => value !== "tag" || keys.length > 0 || by === "tag")}
        onChange={(value) => setState({ by: value, key: "" })}
      />
    </>
  );
  if (by === "tag" && key === undefined) {
    return (
      <Card title="Spend" actions={choice} className={className}>
        <EmptyState title="No call has tags">
          Send tags with your calls, such as the team or the feature, and split the spend by them.
        </EmptyState>
      </Card>
    );
  }
  return (
    <div className={className}>
      <Loaded
        of={series}
        skeleton={
          <Card title="Spend" actions={choice}>
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
                    to={`/app/explore?${rangeSearch(range, { by, key: by === "tag" ? (key ?? "") : "" })}`}
                  >
                    Explore
                  </Link>
                </>
              }
              actions={choice}
              legend={names.map((name) => ({ name, color: colorOf(name) }))}
              table={tableOf(data, "total_cost")}
              className="h-full"
            >
              <TimeSeriesChart series={names} points={points} format={money} formatAxis={shortMoney} height={280} />
            </ChartFrame>
          );
        }}
      </Loaded>
      {series.data !== undefined && <UnpricedNotice calls={series.data.unpriced_calls} className="mt-4" />}
    </div>
  );
}
