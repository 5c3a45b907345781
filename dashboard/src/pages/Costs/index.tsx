import { useGet, useGetIf } from "@/api";
import { ChartFrame, TimeSeriesChart, colorOf } from "@/charts";
import { count, short, shortMoney } from "@/format";
import type { Measure } from "@/utils/costs";
import { MEASURES, bucketOf, chartOf, costText, daysOf, isSplit, tableOf } from "@/utils/costs";
import { useRange } from "@/hooks/useRange";
import { useTitle } from "@/hooks/useTitle";
import { Card, DateRangePicker, EmptyState, LinkButton, Loaded, PageHeader, Skeleton, Stat } from "@/ui";
import { UnpricedNotice } from "@/components/UnpricedNotice";
import { Comparison } from "./Comparison";
import { Controls } from "./Controls";
import { Export } from "./Export";
import { Groups } from "./Groups";
import { callsHref, useView } from "./view";

/** More colors would be hard to tell apart. */
const NAMES = 10;

/** Spend, grouped and filtered. */
export function Component() {
  useTitle("Explore");
  const range = useRange();
  const view = useView();
  const { state, filters } = view;
  const by = isSplit(state.by) ? state.by : undefined;
  const keys = useGet("/api/costs/tag-keys");
  const key = by === "tag" ? state.key || keys.data?.keys[0] : undefined;
  const noTags = by === "tag" && key === undefined && keys.data !== undefined;
  const longest = daysOf(range);
  const bucket = BUCKETS.find((one) => one === state.bucket && (one !== "hour" || longest <= 31)) ?? bucketOf(range);
  const measure: Measure = isMeasure(state.show) ? state.show : "total_cost";
  const series = useGetIf(by !== "tag" || key !== undefined, "/api/costs/timeseries", {
    query: { ...range.query, ...(by === "tag" ? {} : filters), bucket, by, key, limit: NAMES },
  });

  return (
    <>
      <PageHeader title="Explore">
        <DateRangePicker range={range} />
        <Export range={range} view={view} />
      </PageHeader>
      <div className="space-y-4">
        <Controls
          range={range}
          view={view}
          bucket={bucket}
          measure={measure}
          tagKeys={keys.data?.keys ?? []}
          tagKey={key}
        />
        {noTags ? (
          <Card>
            <EmptyState title="No tags yet">
              Send tags with your calls, such as team or feature, to group spend by them.
            </EmptyState>
          </Card>
        ) : (
          <Loaded of={series} skeleton={<Waiting />}>
            {(data) => {
              if (data.call_count === 0) return <Nothing clear={view.clear} filtered={view.filtered} />;
              const { names, points } = chartOf(data, measure);
              const { format, label } = MEASURES[measure];
              return (
                <>
                  <Card>
                    <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
                      <Stat label="Spend" value={<span data-total>{costText(data, data.call_count)}</span>} />
                      <Stat label="Calls" value={count(data.call_count)} />
                      <Stat label="Tokens" value={short(data.total_tokens)} />
                      <div className="flex items-end justify-end">
                        <LinkButton size="sm" to={callsHref(range, filters)}>
                          View calls
                        </LinkButton>
                      </div>
                    </div>
                  </Card>
                  <UnpricedNotice calls={data.unpriced_calls} />
                  <ChartFrame
                    title={`${label} over time`}
                    note={range.label}
                    legend={names.map((name) => ({ name, color: by ? colorOf(name) : "var(--accent)" }))}
                    table={tableOf(data, measure)}
                  >
                    <TimeSeriesChart
                      series={names}
                      points={points}
                      format={format}
                      formatAxis={measure === "total_cost" ? shortMoney : short}
                      color={by ? colorOf : () => "var(--accent)"}
                      height={300}
                    />
                  </ChartFrame>
                  {by !== undefined && <Groups series={data} by={by} tagKey={key} range={range} view={view} />}
                </>
              );
            }}
          </Loaded>
        )}
        {state.compare && <Comparison range={range} filters={filters} />}
      </div>
    </>
  );
}

const BUCKETS = ["hour", "day", "week", "month"] as const;
const isMeasure = (text: string): text is Measure => text in MEASURES;

function Nothing({ clear, filtered }: { clear: () => void; filtered: boolean }) {
  return (
    <Card>
      <EmptyState
        title={filtered ? "No calls match" : "No calls in this period"}
        action={
          filtered ? (
            <button type="button" className="rounded font-medium text-accent hover:underline" onClick={clear}>
              Clear filters
            </button>
          ) : (
            <LinkButton to="/app/start">Get started</LinkButton>
          )
        }
      >
        {filtered ? "Widen the date range or remove a filter." : "Choose another date range, or send your first call."}
      </EmptyState>
    </Card>
  );
}

const Waiting = () => (
  <>
    <Card>
      <Skeleton className="h-12" />
    </Card>
    <Card>
      <Skeleton className="h-80" />
    </Card>
  </>
);
