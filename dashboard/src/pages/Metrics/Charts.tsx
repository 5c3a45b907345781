import { useNavigate } from "react-router";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { ChartFrame, Histogram, TimeSeriesChart } from "@/charts";
import { count, day, fullDay, percent, short } from "@/format";
import { Card, EmptyState, Loaded, Skeleton } from "@/ui";
import type { QualityView } from "./view";

const RANGES: Record<Schema<"LatencyRange">["range"], string> = {
  "0-100ms": "under 100 ms",
  "100-200ms": "100–200 ms",
  "200-500ms": "200–500 ms",
  "500-1000ms": "0.5–1 s",
  "1000ms+": "1 s or more",
};

/** Short labels in seconds, for narrow screens. */
const SHORT_RANGES: typeof RANGES = {
  "0-100ms": "<0.1",
  "100-200ms": "0.1–0.2",
  "200-500ms": "0.2–0.5",
  "500-1000ms": "0.5–1",
  "1000ms+": "≥1",
};

const LOADING = (
  <Card>
    <Skeleton className="h-64" />
  </Card>
);

/** Calls by latency. */
export function LatencyChart({ view }: { view: QualityView }) {
  const latency = useGet("/api/metrics/latency", { query: view.query });
  return (
    <Loaded of={latency} skeleton={LOADING}>
      {({ data, timed_calls }) => (
        <ChartFrame
          title="Latency distribution"
          note={`${count(timed_calls)} calls, seconds`}
          table={{ columns: ["Latency", "Calls"], rows: data.map((one) => [RANGES[one.range], count(one.call_count)]) }}
        >
          {timed_calls === 0 ? (
            <EmptyState title="No latency data">Send latency_ms with each call, or let the SDK measure it.</EmptyState>
          ) : (
            <Histogram
              bins={data.map((one) => ({ label: SHORT_RANGES[one.range], value: one.call_count }))}
              format={short}
              height={240}
            />
          )}
        </ChartFrame>
      )}
    </Loaded>
  );
}

const SERIES = "Failed";

/** The error rate per day; a click on a day opens its failed calls. */
export function ErrorChart({ view }: { view: QualityView }) {
  const errors = useGet("/api/metrics/error-rate", { query: view.query });
  const navigate = useNavigate();
  return (
    <Loaded of={errors} skeleton={LOADING}>
      {({ data }) => (
        <ChartFrame
          title="Error rate per day"
          note="Errors and timeouts"
          table={{
            columns: ["Day", "Failed", "Errors and timeouts", "Calls"],
            rows: data.map((one) => [
              fullDay(one.date),
              percent(one.error_rate),
              count(one.error_count),
              count(one.call_count),
            ]),
          }}
        >
          <TimeSeriesChart
            series={[SERIES]}
            points={data.map((one) => ({
              label: day(one.date),
              title: `${fullDay(one.date)}: ${count(one.error_count)} of ${count(one.call_count)}`,
              values: { [SERIES]: one.error_rate },
            }))}
            format={percent}
            height={240}
            color={() => "var(--bar-bad)"}
            onSelect={(index) => {
              const at = data[index]?.date;
              if (at !== undefined) void navigate(view.dayHref(at, { status: "error" }));
            }}
          />
        </ChartFrame>
      )}
    </Loaded>
  );
}
