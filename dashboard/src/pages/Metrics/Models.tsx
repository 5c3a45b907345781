import { useGet } from "@/api";
import type { Schema } from "@/api";
import { count, decimal, duration, exactMoney, money } from "@/format";
import { providerName } from "@/format/providers";
import type { Column } from "@/ui";
import { Card, EmptyState, Loaded, Table, Unpriced } from "@/ui";
import type { QualityView } from "./view";

type ModelLatency = Schema<"ModelLatency">;
type ModelQuality = Schema<"ModelQuality">;

const keyOf = (row: { provider: string; model: string }) => `${row.provider}/${row.model}`;

const LATENCY: readonly Column<ModelLatency>[] = [
  { key: "model", header: "Model", cell: (row) => <Name of={row} />, sort: (row) => row.model },
  { key: "calls", header: "Calls", cell: (row) => count(row.timed_calls), sort: (row) => row.timed_calls, right: true },
  { key: "p50", header: "p50", cell: (row) => duration(row.p50), sort: (row) => row.p50, right: true },
  { key: "p95", header: "p95", cell: (row) => duration(row.p95), sort: (row) => row.p95, right: true },
  { key: "p99", header: "p99", cell: (row) => duration(row.p99), sort: (row) => row.p99, right: true },
];

/** Latency percentiles of each model. */
export function LatencyByModel({ view }: { view: QualityView }) {
  const latency = useGet("/api/metrics/latency", { query: view.query });
  return (
    <Card title="Latency by model" flush>
      <Loaded of={latency}>
        {({ by_model }) => (
          <Table
            caption="Latency by model"
            columns={LATENCY}
            rows={by_model}
            rowKey={keyOf}
            rowHref={(row) => view.callsHref({ provider: row.provider, model: row.model })}
            sortBy="calls"
            maxHeight="32rem"
            empty={
              <EmptyState title="No latency data in this period">
                Send latency_ms with each call, or let the SDK measure it.
              </EmptyState>
            }
          />
        )}
      </Loaded>
    </Card>
  );
}

const QUALITY: readonly Column<ModelQuality>[] = [
  { key: "model", header: "Model", cell: (row) => <Name of={row} />, sort: (row) => row.model },
  { key: "ratings", header: "Ratings", cell: (row) => count(row.ratings), sort: (row) => row.ratings, right: true },
  {
    key: "average",
    header: "Average",
    cell: (row) => decimal(row.average_rating),
    sort: (row) => row.average_rating,
    right: true,
  },
  { key: "good", header: "Good", cell: (row) => count(row.good_answers), sort: (row) => row.good_answers, right: true },
  {
    key: "cost",
    header: "Cost",
    cell: (row) => <GoodAnswer of={row} />,
    sort: (row) => row.cost_per_good_answer,
    right: true,
  },
];

function GoodAnswer({ of }: { of: ModelQuality }) {
  const { cost_per_good_answer: cost, unpriced_calls } = of;
  return (
    <span className="inline-flex items-center gap-2">
      <Unpriced calls={unpriced_calls} />
      {cost === null ? (
        <span className="text-muted">{of.good_answers === 0 ? "none rated good" : "unpriced"}</span>
      ) : (
        <span className="font-medium" title={exactMoney(cost)}>
          {money(cost)}
        </span>
      )}
    </span>
  );
}

/** Total cost of rated calls divided by good answers. */
export function GoodAnswers({ view }: { view: QualityView }) {
  const quality = useGet("/api/metrics/quality", { query: view.query });
  return (
    <Card title="Cost per good answer" note="Total cost of rated calls ÷ answers rated 4 or 5" flush>
      <Loaded of={quality}>
        {({ data }) => (
          <Table
            caption="Cost per good answer by model"
            columns={QUALITY}
            rows={data}
            rowKey={keyOf}
            sortBy="ratings"
            maxHeight="32rem"
            empty={
              <EmptyState title="No ratings in this period">
                Open a call and rate its answer, or send your users’ thumbs with POST /api/feedback.
              </EmptyState>
            }
          />
        )}
      </Loaded>
    </Card>
  );
}

const Name = ({ of }: { of: { provider: string; model: string } }) => (
  <span className="flex min-w-0 flex-col">
    <span className="font-medium whitespace-nowrap">{of.model}</span>
    <span className="text-xs font-normal text-muted">{providerName(of.provider)}</span>
  </span>
);
