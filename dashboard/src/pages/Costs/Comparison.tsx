import { useGet } from "@/api";
import type { Schema } from "@/api";
import { ChartFrame, Waterfall } from "@/charts";
import { exactMoney, money, moneyChange, timeZone } from "@/format";
import { costText, periods } from "@/utils/costs";
import { useHour } from "@/hooks/useHour";
import type { Range } from "@/hooks/useRange";
import { rangeText } from "@/hooks/useRange";
import type { Column } from "@/ui";
import { Badge, Card, Loaded, Skeleton, Table } from "@/ui";
import type { Filters } from "./view";

type Comparison = Schema<"CostComparison">;
type Effects = Schema<"CostEffects">;
type Model = Schema<"ModelDifference">;

const EFFECTS: Record<keyof Effects, { label: string; why: string }> = {
  volume: { label: "Call volume", why: "Number of calls in projects that exist in both periods" },
  model_mix: { label: "Model mix", why: "Each model’s share of a project’s calls" },
  tokens_per_call: { label: "Call size", why: "Tokens per call" },
  cache_hit_rate: { label: "Cache hits", why: "Share of input tokens read from the cache" },
  price: { label: "Prices", why: "Cost per token" },
  priced_share: { label: "Priced share", why: "Share of calls with a known price" },
  new_projects: { label: "New projects", why: "Projects with no calls in the previous period" },
  vanished_projects: { label: "Ended projects", why: "Projects with no calls in this period" },
  others: { label: "Other", why: "Too small to break down" },
};
const NAMES = Object.keys(EFFECTS) as (keyof Effects)[];

const STATUS: Record<Model["status"], string | undefined> = {
  kept: undefined,
  new_model: "New model",
  vanished_model: "Ended",
  new_project: "New project",
  vanished_project: "Project ended",
};

/** Why the range cost more or less than the previous one. */
export function Comparison({ range, filters }: { range: Range; filters: Filters }) {
  const now = useHour();
  const filtered = Object.values(filters).some((value) => value !== undefined);
  const comparison = useGet("/api/costs/compare", {
    query: { ...periods(range, now), tz: timeZone, limit: filtered ? 1000 : 20 },
  });
  return (
    <Loaded
      of={comparison}
      skeleton={
        <Card title="Compared with previous period">
          <Skeleton className="h-72" />
        </Card>
      }
    >
      {(data) => {
        const models = data.models.filter((one) => passes(one, filters));
        return (
          <>
            <Why data={data} filters={filters} models={models} filtered={filtered} />
            <Card title="What drove the change" note="By model and project, largest change first" flush>
              <Table
                caption="What drove the change"
                columns={COLUMNS}
                rows={models}
                rowKey={(one) => `${one.project} ${one.provider} ${one.model}`}
                maxHeight="26rem"
                empty={<p className="px-5 pb-5 text-muted">No calls match the filters in either period.</p>}
              />
            </Card>
          </>
        );
      }}
    </Loaded>
  );
}

const passes = (one: Model, { provider, model, project }: Filters) =>
  (provider === undefined || one.provider === provider) &&
  (model === undefined || one.model === model) &&
  (project === undefined || one.project === project);

/** The breakdown that matches the filters, or that of the whole workspace if there is none. */
function splitOf(data: Comparison, filters: Filters, models: readonly Model[], filtered: boolean) {
  if (!filtered) return { of: data, whole: true };
  const { provider, model, project } = filters;
  const found =
    provider === undefined && model === undefined
      ? data.projects.find((one) => one.project === project)
      : model !== undefined && models.length === 1
        ? models[0]
        : undefined;
  return found ? { of: found, whole: false } : { of: data, whole: true };
}

function Why({
  data,
  filters,
  models,
  filtered,
}: {
  data: Comparison;
  filters: Filters;
  models: readonly Model[];
  filtered: boolean;
}) {
  const { of, whole } = splitOf(data, filters, models, filtered);
  const items = [
    { label: "Previous period", value: of.before_cost, kind: "total" as const },
    ...NAMES.filter((name) => of.effects[name] !== 0).map((name) => ({
      label: EFFECTS[name].label,
      value: of.effects[name],
      kind: "change" as const,
    })),
    { label: "This period", value: of.after_cost, kind: "total" as const },
  ];
  return (
    <ChartFrame
      title="Compared with previous period"
      note={
        <>
          {rangeText(data.after)} compared with {rangeText(data.before)}
          <span className="mt-3 flex flex-wrap items-baseline gap-x-3 gap-y-1 text-sm text-ink">
            <span data-difference className="text-2xl font-semibold tracking-tight" title={exactMoney(of.difference)}>
              {moneyChange(of.difference)}
            </span>
            {whole && <span className="max-w-prose">{data.summary}</span>}
          </span>
          {whole && filtered && (
            <span className="mt-2 block">
              This breakdown covers all calls; only project filters, or a model within a project, apply to it. The table
              below matches the filters.
            </span>
          )}
        </>
      }
      table={{
        columns: ["Cause", "Amount"],
        rows: items.map((item) => [item.label, item.kind === "change" ? moneyChange(item.value) : money(item.value)]),
      }}
    >
      <div data-waterfall>
        <Waterfall items={items} format={money} />
      </div>
    </ChartFrame>
  );
}

const COLUMNS: Column<Model>[] = [
  {
    key: "model",
    header: "Model",
    cell: (one) => (
      <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <span className="font-medium whitespace-nowrap">{one.model}</span>
        <span className="text-xs whitespace-nowrap text-muted">{one.project ?? "No project"}</span>
        {STATUS[one.status] !== undefined && <Badge>{STATUS[one.status]}</Badge>}
      </span>
    ),
  },
  {
    key: "why",
    header: "Main cause",
    cell: (one) => {
      const most = mostOf(one.effects);
      return most === undefined ? (
        "–"
      ) : (
        <span className="whitespace-nowrap text-muted" title={EFFECTS[most].why}>
          {EFFECTS[most].label}
        </span>
      );
    },
  },
  {
    key: "before",
    header: "Previous period",
    right: true,
    sort: (one) => one.before_cost,
    cell: (one) => cost(one.before_cost, one.before_calls, one.before_unpriced_calls),
  },
  {
    key: "after",
    header: "This period",
    right: true,
    sort: (one) => one.after_cost,
    cell: (one) => cost(one.after_cost, one.after_calls, one.after_unpriced_calls),
  },
  {
    key: "difference",
    header: "Change",
    right: true,
    sort: (one) => Math.abs(one.difference),
    cell: (one) => (
      <span
        className={one.difference > 0 ? "text-bad" : one.difference < 0 ? "text-good" : "text-muted"}
        title={exactMoney(one.difference)}
      >
        {one.difference === 0 ? "–" : moneyChange(one.difference)}
      </span>
    ),
  },
];

const cost = (value: number, calls: number, unpriced: number) =>
  calls === 0 ? "–" : costText({ total_cost: value, unpriced_calls: unpriced }, calls);

/** The cause with the largest effect. */
function mostOf(effects: Effects) {
  return NAMES.filter((name) => effects[name] !== 0).sort(
    (one, other) => Math.abs(effects[other]) - Math.abs(effects[one]),
  )[0];
}
