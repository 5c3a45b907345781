import { CalendarClock } from "lucide-react";
import { Link } from "react-router";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import type { TimePoint } from "@/charts";
import { ChartFrame, TimeSeriesChart } from "@/charts";
import { count, day, decimal, exactMoney, fullDay, isoDay, money, percent, shortMoney, timeZone } from "@/format";
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

/** What will be spent, how sure that is, and how good such forecasts were so far. */
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
        note="What is spent, and what will be"
        actions={
          <Segments label="Period" value={period} options={PERIODS} onChange={(next) => set({ period: next })} />
        }
      >
        <Loaded of={outlook} skeleton={<Skeleton className="h-24" />}>
          {(data) => (data.total ? <Totals of={data} total={data.total} /> : <TooLittle why={data.missing} />)}
        </Loaded>
      </Card>
      {outlook.data?.total && (
        <>
          <Days of={outlook.data} />
          <div className="grid items-start gap-4 xl:grid-cols-2">
            <TrackRecord of={outlook.data} />
            <Budgets of={outlook.data} />
          </div>
        </>
      )}
    </div>
  );
}

const TooLittle = ({ why }: { why: string | null }) => (
  <EmptyState title="Too little data yet" icon={<CalendarClock aria-hidden className="size-5" />}>
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
      <Stat label={`By ${fullDay(of.period_end)}`} value={money(total.expected)} note="as likely more as less" />
      <Stat label="In 8 of 10 cases" value={<Interval low={total.low_80} high={total.high_80} />} />
      <Stat label="In 19 of 20 cases" value={<Interval low={total.low_95} high={total.high_95} />} />
    </div>
  );
}

const Interval = ({ low, high }: { low: number; high: number }) => (
  <span className="block text-base leading-6">
    {money(low)} to {money(high)}
  </span>
);

/** The days before and those to come, with the bands the outcome lies in. */
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
      title="Day by day"
      note="The dark band holds the day’s cost in 80 % of all cases, the pale one in 95 %"
      legend={Object.entries(COLORS).map(([name, color]) => ({ name, color }))}
      table={{
        columns: ["Day", "Spent", "Forecast", "80 %", "95 %"],
        rows: [
          ...spent.map(({ date, cost }) => [fullDay(date), money(cost), "–", "–", "–"]),
          ...of.days.map((one) => [
            fullDay(one.date),
            "–",
            money(one.expected),
            `${money(one.low_80)} to ${money(one.high_80)}`,
            `${money(one.low_95)} to ${money(one.high_95)}`,
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

function TrackRecord({ of }: { of: Outlook }) {
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
    { key: "mae", header: "Off by, a day", cell: (row) => money(row.mae), sort: (row) => row.mae, right: true },
    {
      key: "mase",
      header: "Against last week",
      cell: (row) => decimal(row.mase),
      sort: (row) => row.mase,
      right: true,
    },
  ];
  return (
    <Card
      title="Its track record"
      note="How far off each method was on your own past days, one to 28 days ahead; the best is used"
      flush
    >
      <Table
        caption="The errors of the forecasting methods"
        columns={columns}
        rows={of.backtest}
        rowKey={(row) => row.model}
      />
      <p className="border-t px-4 py-2.5 text-xs text-muted sm:px-5">
        Against last week: below 1 is better than taking each day for what the same weekday cost last week.
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
  { key: "total", header: "Will come to", cell: (row) => (row.total ? money(row.total.expected) : "–"), right: true },
  {
    key: "probability",
    header: "Exceeded",
    cell: (row) => <Likely of={row} />,
    sort: (row) => row.probability,
    right: true,
  },
];

function Likely({ of }: { of: Schema<"BudgetForecast"> }) {
  if (of.exceeded) return <Badge tone="bad">Already</Badge>;
  if (of.probability === null) return <span className="text-xs whitespace-normal text-muted">{of.missing}</span>;
  return (
    <>
      <Badge tone={of.probability >= 0.5 ? "bad" : of.probability >= 0.1 ? "warn" : "good"}>
        {percent(of.probability * 100)} likely
      </Badge>
      {of.exceeds_on !== null && <span className="mt-0.5 block text-xs text-muted">on {fullDay(of.exceeds_on)}</span>}
    </>
  );
}

function Budgets({ of }: { of: Outlook }) {
  return (
    <Card title="Budgets" note="Whether each will be exceeded in its period, and when" flush>
      <Table
        caption="Budgets and how likely they will be exceeded"
        columns={BUDGETS}
        rows={of.budgets}
        rowKey={(row) => row.id}
        rowHref={() => "/app/budgets"}
        empty={
          <EmptyState title="There is no budget yet">
            <Link to="/app/budgets" className="text-accent underline underline-offset-2">
              Make one
            </Link>
            , and it is said here whether it will hold.
          </EmptyState>
        }
      />
      {of.budgets_left_out > 0 && (
        <p className="border-t px-4 py-2.5 text-xs text-muted sm:px-5">
          {count(of.budgets_left_out)} more are not forecast.
        </p>
      )}
    </Card>
  );
}
