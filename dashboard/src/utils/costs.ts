/** Costs over time for charts and tables. */

import type { Schema } from "@/api";
import type { TimePoint } from "@/charts";
import { UNPRICED, count, date, dateTime, hour, money, month, short, shortDate } from "@/format";
import { providerName } from "@/format/providers";
import type { Range } from "@/hooks/useRange";

type Days = Pick<Range, "preset" | "start" | "end">;

export type Series = Schema<"Timeseries">;
export type Part = Schema<"SplitCost">;
export type By = NonNullable<Series["by"]>;
export type Bucket = Series["bucket"];
export type Measure = "total_cost" | "call_count" | "total_tokens";

export const SPLITS: readonly { value: By; label: string }[] = [
  { value: "model", label: "Model" },
  { value: "provider", label: "Provider" },
  { value: "project", label: "Project" },
  { value: "tag", label: "Tag" },
];
export const isSplit = (text: string): text is By => SPLITS.some(({ value }) => value === text);

export const MEASURES: Record<Measure, { label: string; format: (value: number) => string }> = {
  total_cost: { label: "Cost", format: money },
  call_count: { label: "Calls", format: count },
  total_tokens: { label: "Tokens", format: short },
};

export const OTHER = "Other";

/** The name of a group. */
export function partName(part: Part, by: By): string {
  if (part.others) return OTHER;
  if (part.name !== null) return by === "provider" ? providerName(part.name) : part.name;
  return by === "project" ? "No project" : "No tag";
}

/** A cost, or "unpriced" if none of its calls has a price. */
export const costText = (part: { total_cost: number; unpriced_calls: number }, calls: number) =>
  calls > 0 && part.unpriced_calls === calls ? UNPRICED : money(part.total_cost);

const DAY_MS = 86_400_000;
const midnight = (day: string) => new Date(`${day}T00:00:00`);

function shifted(day: string, days: number) {
  const at = midnight(day);
  at.setDate(at.getDate() + days);
  return at;
}

/** The number of days in a range. */
export const daysOf = ({ start, end }: Days) =>
  Math.round((shifted(end, 1).getTime() - midnight(start).getTime()) / DAY_MS);

/** The number of days since the start of a range, including today. */
export const daysSince = ({ start }: Days) =>
  Math.min(365, Math.max(1, Math.ceil((Date.now() - midnight(start).getTime()) / DAY_MS)));

/** The range as timestamps; the end is exclusive. */
export const moments = ({ start, end }: Days) => ({
  start: midnight(start).toISOString(),
  end: shifted(end, 1).toISOString(),
});

/** The default interval for a range. */
export function bucketOf(range: Days): Bucket {
  const days = daysOf(range);
  if (days <= 2) return "hour";
  return days <= 92 ? "day" : "week";
}

const AXIS: Record<Bucket, (at: string) => string> = { hour: hourOnly, day: shortDate, week: shortDate, month };
const TITLE: Record<Bucket, (at: string) => string> = {
  hour: dateTime,
  day: date,
  week: (at) => `Week of ${date(at)}`,
  month,
};

function hourOnly(at: string) {
  const start = new Date(at);
  return start.getHours() === 0 ? shortDate(start) : hour(start).replace(/^\D+/, "");
}

export type Mark = Schema<"Anomaly">;

/** A series for TimeSeriesChart: the most expensive at the bottom, with a mark at each anomaly. */
export function chartOf(series: Series, measure: Measure, anomalies: readonly Mark[] = []) {
  const { by, bucket, points } = series;
  const names = by === null ? [MEASURES[measure].label] : series.split.map((part) => partName(part, by));
  const until = (index: number) => points[index + 1]?.start ?? series.date_range.end;
  const now = new Date().toISOString();
  return {
    names,
    points: points.map((point, index): TimePoint => {
      const unusual = anomalies.filter(({ start }) => start >= point.start && start < until(index));
      const first = unusual[0];
      return {
        label: AXIS[bucket](point.start),
        title: TITLE[bucket](point.start),
        values: Object.fromEntries(
          by === null
            ? [[MEASURES[measure].label, point[measure]]]
            : point.split.map((part) => [partName(part, by), part[measure]]),
        ),
        provisional: new Date(until(index)).toISOString() > now,
        mark: first && {
          text: unusual
            .map(({ about, cause }) => `${about}: ${cause}`)
            .slice(0, 2)
            .join("\n"),
          tone: first.excess_cost > 0 || first.measure === "errors" ? "bad" : "good",
        },
      };
    }),
  };
}

/** The table behind such a chart, with a row for each interval. */
export function tableOf(series: Series, measure: Measure) {
  const { by, bucket, points } = series;
  const { format, label } = MEASURES[measure];
  const names = by === null ? [] : series.split.map((part) => partName(part, by));
  return {
    columns: [
      bucket === "hour" ? "Hour" : bucket === "day" ? "Day" : bucket === "week" ? "Week" : "Month",
      label,
      ...names,
    ],
    rows: points.map((point) => {
      const parts =
        by === null ? new Map<string, Part>() : new Map(point.split.map((part) => [partName(part, by), part]));
      const text = (part: { total_cost: number; call_count: number; total_tokens: number; unpriced_calls: number }) =>
        measure === "total_cost" ? costText(part, part.call_count) : format(part[measure]);
      return [
        TITLE[bucket](point.start),
        text(point),
        ...names.map((name) => {
          const part = parts.get(name);
          return part ? text(part) : "–";
        }),
      ];
    }),
  };
}

/** Two periods as GET /api/costs/compare takes them. */
export interface Periods {
  from: string;
  to: string;
}

const span = (start: Date, end: Date) => `${start.toISOString()}..${end.toISOString()}`;

/** The end of the current hour. Totals are kept by the hour. */
export function endOfHour(now: number) {
  const at = new Date(now);
  at.setHours(at.getHours() + 1, 0, 0, 0);
  return at;
}

/** A range up to now and the same part of the previous period: the previous month for a month, else as many days. */
export function periods(range: Days, now: number): Periods {
  const start = midnight(range.start);
  const whole = shifted(range.end, 1);
  const running = endOfHour(now);
  const end = running < whole ? running : whole;
  const calendar = range.preset === "month" || range.preset === "last-month";
  const days = range.preset === "week" ? 7 : daysOf(range);
  const back = (at: Date) => {
    const to = new Date(at);
    if (calendar) to.setMonth(at.getMonth() - 1);
    else to.setDate(at.getDate() - days);
    return to;
  };
  // In a shorter month, the 31st means the end of that month.
  const before = back(end) < start ? back(end) : start;
  return { from: span(back(start), before), to: span(start, end) };
}
