import type { ReactNode } from "react";
import { Link } from "react-router";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useGet } from "@/api";

import { UNPRICED, count, exactMoney, money, moneyRange, monthName, percent, timeZone } from "@/format";
import { classes } from "@/utils/classes";
import { periods } from "@/utils/costs";
import { useHour } from "@/hooks/useHour";
import { rangeOf } from "@/hooks/useRange";
import { Card, ErrorState, Skeleton, Stat } from "@/ui";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";

const FIGURES = [
  { preset: "today", label: "Today", before: "yesterday" },
  { preset: "week", label: "This week", before: "last week" },
  { preset: "month", label: "This month", before: "last month" },
] as const;

/** Spend so far, and the forecast for the month. */
export function Figures() {
  return (
    <div className="grid grid-cols-2 gap-4 xl:grid-cols-4">
      {FIGURES.map((figure) => (
        <Figure key={figure.preset} {...figure} />
      ))}
      <Forecast />
    </div>
  );
}

function Figure({ preset, label, before }: (typeof FIGURES)[number]) {
  const now = useHour();
  const spend = useGet("/api/costs/compare", {
    query: { ...periods(rangeOf(preset), now), tz: timeZone, limit: 1 },
  });
  const name = (
    <Link to={`/app/explore?range=${preset}`} className="rounded hover:text-accent hover:underline">
      {label}
    </Link>
  );
  if (spend.data === undefined) return <Missing label={label} error={spend.error} retry={spend.refetch} />;
  const { after, after_cost, difference } = spend.data;
  return (
    <Card data-figure={preset}>
      <Stat
        label={name}
        value={
          <span title={exactMoney(after_cost)}>
            {after.call_count > 0 && after.unpriced_calls === after.call_count ? UNPRICED : money(after_cost)}
          </span>
        }
        note={<Difference value={difference} before={before} none={spend.data.before.call_count === 0} />}
      />
      {after.unpriced_calls > 0 && (
        <p className="mt-0.5 text-xs text-warn">
          + {count(after.unpriced_calls)} {after.unpriced_calls === 1 ? "call" : "calls"} without a price
        </p>
      )}
    </Card>
  );
}

/** The change from the same part of the previous period. */
function Difference({ value, before, none }: { value: number; before: string; none: boolean }): ReactNode {
  if (none) return `No calls ${before} by this time`;
  if (value === 0) return `Same as ${before} at this time`;
  const Arrow = value > 0 ? ArrowUp : ArrowDown;
  return (
    <>
      <span className={classes("inline-flex items-center gap-0.5 font-medium", value > 0 ? "text-bad" : "text-good")}>
        <Arrow aria-hidden className="size-3" />
        {money(Math.abs(value))}
      </span>{" "}
      {value > 0 ? "more" : "less"} than {before} at this time
    </>
  );
}

function Forecast() {
  const forecast = useGet(
    "/api/costs/forecast",
    { query: { period: "month", horizon: 31, tz: timeZone } },
    EVERY_FIVE_MINUTES,
  );
  if (forecast.data === undefined) return <Missing label="Forecast" error={forecast.error} retry={forecast.refetch} />;
  const { total, missing, period_end } = forecast.data;
  const label = `Forecast for ${monthName(`${period_end}T00:00:00`)}`;
  return (
    <Card data-figure="forecast">
      {total ? (
        <Stat
          label={<ForecastName label={label} />}
          value={money(total.expected)}
          note={`Likely ${moneyRange(total.low_80, total.high_80)} (${percent(80)})`}
        />
      ) : (
        <Stat
          label={<ForecastName label={label} />}
          value={<span className="text-base">Not enough data yet</span>}
          note={missing}
        />
      )}
    </Card>
  );
}

const ForecastName = ({ label }: { label: string }) => (
  <Link to="/app/advice" className="rounded hover:text-accent hover:underline">
    {label}
  </Link>
);

function Missing({ label, error, retry }: { label: string; error: unknown; retry: () => unknown }) {
  return (
    <Card>
      {error ? (
        <ErrorState error={error} onRetry={retry} />
      ) : (
        <>
          <Stat label={label} />
          <Skeleton className="mt-2 h-3 w-3/4" />
        </>
      )}
    </Card>
  );
}
