import { Link } from "react-router";
import { useGet } from "@/api";
import { count, duration, percent } from "@/format";
import { Card, ErrorState, Stat } from "@/ui";
import type { QualityView } from "./view";

/** Calls, error rate and latency. */
export function Figures({ view }: { view: QualityView }) {
  const summary = useGet("/api/metrics/summary", { query: view.query });
  const latency = useGet("/api/metrics/latency", { query: view.query });
  const error = summary.error ?? latency.error;
  if (error && (!summary.data || !latency.data)) {
    return (
      <Card>
        <ErrorState error={error} onRetry={() => Promise.all([summary.refetch(), latency.refetch()])} />
      </Card>
    );
  }
  const went = summary.data;
  const took = latency.data;
  return (
    <Card>
      <div className="grid grid-cols-2 gap-x-4 gap-y-5 sm:grid-cols-3 xl:grid-cols-6" data-figures>
        <Stat label="Calls" value={went && <To href={view.callsHref()}>{count(went.call_count)}</To>} />
        <Stat
          label="Failed"
          value={went && percent(went.error_rate)}
          note={went && `${count(went.error_count)} errors and timeouts`}
        />
        <Stat label="Median latency" value={took && duration(took.p50)} />
        <Stat label="p95 latency" value={took && duration(took.p95)} />
        <Stat label="p99 latency" value={took && duration(took.p99)} />
        <Stat
          label="Average latency"
          value={took && duration(took.average_latency)}
          note={
            took && took.timed_calls < took.call_count ? `of ${count(took.timed_calls)} calls with latency` : undefined
          }
        />
      </div>
    </Card>
  );
}

const To = ({ href, children }: { href: string; children: string }) => (
  <Link to={href} className="rounded hover:text-accent hover:underline">
    {children}
  </Link>
);
