import { useMemo } from "react";
import { CircleCheck } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { date, dateTime, money, timeZone } from "@/format";
import { daysSince, moments } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { ANOMALIES } from "@/format/anomalies";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";
import { Badge, Card, Loaded } from "@/ui";

type Anomaly = Schema<"Anomaly">;

/** The anomalies in a range. */
export function useAnomalies(range: Range) {
  const asked = useGet(
    "/api/recommendations/anomalies",
    { query: { days: daysSince(range), tz: timeZone } },
    EVERY_FIVE_MINUTES,
  );
  const shown = useMemo(() => {
    const { start, end } = moments(range);
    return (asked.data?.anomalies ?? []).filter(
      (one) => one.date >= range.start && one.date <= range.end && start < end,
    );
  }, [asked.data, range]);
  return { asked, shown };
}

export function Anomalies({
  anomalies: { asked, shown },
  className,
}: {
  anomalies: ReturnType<typeof useAnomalies>;
  className?: string;
}) {
  return (
    <Card title="Anomalies" note="Marked on the chart" className={className}>
      <Loaded of={asked}>
        {() =>
          shown.length === 0 ? (
            <p className="flex items-center gap-2 text-muted">
              <CircleCheck aria-hidden className="size-4 text-good" />
              No anomalies in this period.
            </p>
          ) : (
            <div
              role="group"
              aria-label="Anomalies, newest first"
              // Keyboard users must be able to scroll it.
              // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
              tabIndex={0}
              className="-my-3 max-h-80 overflow-y-auto rounded"
            >
              <ul className="divide-y">
                {shown.map((one) => (
                  <Line key={`${one.start} ${one.about} ${one.kind}`} of={one} />
                ))}
              </ul>
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}

function Line({ of }: { of: Anomaly }) {
  const { label, tone } = ANOMALIES[of.kind];
  return (
    <li className="py-3" data-anomaly={of.kind}>
      <div className="flex flex-wrap items-baseline gap-x-2 gap-y-1">
        <Badge tone={tone}>{label}</Badge>
        <span className="font-medium">{of.about}</span>
        <span className="text-xs text-muted">{of.hour === null ? date(of.start) : dateTime(of.start)}</span>
        <span className="ml-auto text-xs whitespace-nowrap text-muted">
          {of.measure === "cost"
            ? `${money(of.cost)} instead of the usual ${money(of.expected_cost)}`
            : `${of.errors} of ${of.calls} failed`}
        </span>
      </div>
      <p className="mt-1 text-muted">{of.cause}</p>
    </li>
  );
}
