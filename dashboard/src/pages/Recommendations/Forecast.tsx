import { CalendarClock } from "lucide-react";
import { Link } from "react-router";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import type { TimePoint } from "@/charts";
import { ChartFrame, TimeSeriesChart } from "@/charts";
import {
  count,
  day,
  decimal,
  exactMoney,
  fullDay,
  isoDay,
  money,
  moneyRange,
  percent,
  shortMoney,
  timeZone,
} from "@/format";
import { useSearchState } from "@/hooks/useSearchState";
import type { Column } from "@/ui";
import { Badge, Card, EmptyState, Loaded, Segments, Skeleton, Stat, Table } from "@/ui";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";
import { FORECASTS } from "./labels";

type Outlook = Schema<"Forecast">;

const PERIODS = [
  { value: "week", label: "Week" },
  { value: "month", label: "Month" },
  { value: "quarter", label: "Quarter" },
] as const;
const DEFAULTS = { period: "month" };
const HORIZON = 30;
const COLORS: Record<string, string> = { Spent: "var(--accent)", Forecast: "var(--series-2)" };

/** The forecast with its intervals, and its accuracy so far. */
export function Forecast() {
  const [state, set] = useSearchState(DEFAULTS);
  const period = PERIODS.find(({ value }) => value === state.period)?.value ?? "month";
  const outlook = useGet(
    "/api/costs/forecast",
    { query: { horizon: HORIZON, period, tz: timeZone } },
    EVERY_FIVE_MINUTES,
  );
  return (
    <div className="space-y-4">
      <Card
        title="Forecast"
        note="Spent and projected"
        actions={
          <Segments label="Period" value={period} options={PERIODS} onChange={(next) => set({ period: next })} />
        }
      >
        <Loaded of={outlook} skeleton={<Skeleton className="h-24" />}>
          {(data) => (data.total ? <Totals of={data} total={data.total} /> : <NotEnoughData why={data.missing} />)}
        </Loaded>
      </Card>
      {outlook.data?.total && (
        <>
          <Days of={outlook.data} />
          <div className="grid items-start gap-4 xl:grid-cols-2">
            <Accuracy of={outlook.data} />
            <Budgets of={outlook.data} />
          </div>
        </>
      )}
    </div>
  );
}

const NotEnoughData = ({ why }: { why: string | null }) => (
  <EmptyState title="Not enough data yet" icon={<CalendarClock aria-hidden className="size-5" />}>
    {why}
  </EmptyState>
);

function Totals({ of, total }: { of: Outlook; total: Schema<"Estimated"> }) {
  return (
    <div className="grid grid-cols-2 gap-x-4 gap-y-5 sm:grid-cols-4" data-forecast>
      <Stat
        label={`Spent since ${day(of.period_start)}`}
        value={<span title={exactMoney(of.spent)}>{money(of.spent)}</span>}
      />
      <Stat label={`By ${fullDay(of.period_end)}`} value={money(total.expected)} note="median" />
      <Stat label={`${percent(80)} interval`} value={<Interval low={total.low_80} high={total.high_80} />} />
      <Stat label={`${percent(95)} interval`} value={<Interval low={total.low_95} high={total.high_95} />} />
    </div>
  );
}

const Interval = ({ low, high }: { low: number; high: number }) => (
  <span className="block text-base leading-6">{moneyRange(low, high)}</span>
);

/** The last days and the forecast days with their intervals. */
function Days({ of }: { of: Outlook }) {
  const before = useGet("/api/costs/timeseries", { query: { days: HORIZON, bucket: "day", tz: timeZone } });
  const first = of.days[0]?.date;
  const spent = (before.data?.points ?? [])
    .map((point) => ({ date: isoDay(new Date(point.start)), cost: point.total_cost }))
    .filter(({ date }) => first === undefined || date < first);
  const points: TimePoint[] = [
    ...spent.map(({ date, cost }) => ({ label: day(date), title: fullDay(date), values: { Spent: cost } })),
    ...of.days.map((one) => ({
      label: day(one.date),
      title: fullDay(one.date),
      values: { Forecast: one.expected },
      interval: [one.low_80, one.high_80] as const,
      outer: [one.low_95, one.high_95] as const,
    })),
  ];
  return (
    <ChartFrame
      title="Daily forecast"
      note={`Dark band: ${percent(80)} interval; light band: ${percent(95)}`}
      legend={Object.entries(COLORS).map(([name, color]) => ({ name, color }))}
      table={{
        columns: ["Day", "Spent", "Forecast", percent(80), percent(95)],
        rows: [
          ...spent.map(({ date, cost }) => [fullDay(date), money(cost), "–", "–", "–"]),
          ...of.days.map((one) => [
            fullDay(one.date),
            "–",
            money(one.expected),
            moneyRange(one.low_80, one.high_80),
            moneyRange(one.low_95, one.high_95),
          ]),
        ],
      }}
    >
      <TimeSeriesChart
        kind="lines"
        series={["Spent", "Forecast"]}
        points={points}
        format={money}
        formatAxis={shortMoney}
        color={(name) => COLORS[name] ?? "var(--accent)"}
      />
    </ChartFrame>
  );
}

function Accuracy({ of }: { of: Outlook }) {
  const columns: readonly Column<Schema<"BacktestedModel">>[] = [
    {
      key: "model",
      header: "Method",
      cell: (row) => (
        <span className="inline-flex min-w-40 flex-wrap items-center gap-x-2 gap-y-1">
          {FORECASTS[row.model] ?? row.model}
          {row.model === of.model && <Badge tone="good">Used</Badge>}
        </span>
      ),
    },
    { key: "mae", header: "Daily error", cell: (row) => money(row.mae), sort: (row) => row.mae, right: true },
    {
      key: "mase",
      header: "vs. last week",
      cell: (row) => decimal(row.mase),
      sort: (row) => row.mase,
      right: true,
    },
  ];
  return (
    <Card
      title="Accuracy"
      note="Average daily error of each method on your history, 1 to 28 days ahead; the best one is used"
      flush
    >
      <Table
        caption="Accuracy of the forecasting methods"
        columns={columns}
        rows={of.backtest}
        rowKey={(row) => row.model}
      />
      <p className="border-t px-4 py-2.5 text-xs text-muted sm:px-5">
        vs. last week: below 1 is more accurate than repeating last week’s value.
      </p>
    </Card>
  );
}

const BUDGETS: readonly Column<Schema<"BudgetForecast">>[] = [
  {
    key: "name",
    header: "Budget",
    cell: (row) => (
      <>
        <span className="font-medium">{row.name}</span>
        <span className="block text-xs text-muted">
          {money(row.current_spend)} of {money(row.limit)} spent
        </span>
      </>
    ),
  },
  { key: "total", header: "Projected", cell: (row) => (row.total ? money(row.total.expected) : "–"), right: true },
  {
    key: "probability",
    header: "Chance of exceeding",
    cell: (row) => <Chance of={row} />,
    sort: (row) => row.probability,
    right: true,
  },
];

function Chance({ of }: { of: Schema<"BudgetForecast"> }) {
  if (of.exceeded) return <Badge tone="bad">Exceeded</Badge>;
  if (of.probability === null) return <span className="text-xs whitespace-normal text-muted">{of.missing}</span>;
  return (
    <>
      <Badge tone={of.probability >= 0.5 ? "bad" : of.probability >= 0.1 ? "warn" : "good"}>
        {percent(of.probability * 100)}
      </Badge>
      {of.exceeds_on !== null && (
        <span className="mt-0.5 block text-xs text-muted">around {fullDay(of.exceeds_on)}</span>
      )}
    </>
  );
}

function Budgets({ of }: { of: Outlook }) {
  return (
    <Card title="Budgets" note="Chance of exceeding each budget" flush>
      <Table
        caption="Budgets and the chance of exceeding them"
        columns={BUDGETS}
        rows={of.budgets}
        rowKey={(row) => row.id}
        rowHref={() => "/app/budgets"}
        empty={
          <EmptyState title="No budgets yet">
            <Link to="/app/budgets" className="text-accent underline underline-offset-2">
              Create one{" "}
            </Link>{" "}
            to see whether it will be exceeded.
          </EmptyState>
        }
      />
      {of.budgets_left_out > 0 && (
        <p className="border-t px-4 py-2.5 text-xs text-muted sm:px-5">
          {count(of.budgets_left_out)} more without a forecast.
        </p>
      )}
    </Card>
  );
}
