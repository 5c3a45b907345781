import type { ReactNode } from "react";
import { ChevronRight, PiggyBank } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { count, money, moneyRange, percent, timeZone } from "@/format";
import { CONFIDENCE, OPTIMIZATIONS, evidence } from "@/format/recommendations";
import { Badge, Card, EmptyState, LinkButton, Loaded } from "@/ui";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";

const SHOWN = 3;

/** The largest savings of each kind, with the figures behind them. */
export function Advice() {
  const advice = useGet("/api/recommendations", { query: { days: 30, tz: timeZone } }, EVERY_FIVE_MINUTES);
  return (
    <Card
      title="Savings"
      note="Based on the last 30 days"
      actions={
        <LinkButton size="sm" look="ghost" className="-my-1 -mr-2.5 text-accent" to="/app/advice">
          All advice
        </LinkButton>
      }
    >
      <Loaded of={advice}>
        {({ model_recommendations, optimizations }) => {
          const switches = onePerModel(model_recommendations).slice(0, SHOWN);
          const others = [...optimizations].sort(largestSaving).slice(0, SHOWN);
          return switches.length + others.length === 0 ? (
            <EmptyState title="No savings found" icon={<PiggyBank aria-hidden className="size-5" />}>
              Cheaper models and avoidable costs appear here.
            </EmptyState>
          ) : (
            <ul className="grid grid-cols-1 items-start gap-3 md:grid-cols-2 xl:grid-cols-3">
              {switches.map((one) => (
                <Switch key={`${one.provider}/${one.current_model}`} of={one} />
              ))}
              {others.map((one) => (
                <Other key={`${one.type} ${one.provider}/${one.model} ${one.project}`} of={one} />
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}

/** The endpoint has several suggestions for a model, the largest saving first. */
function onePerModel(all: readonly Schema<"ModelSwitch">[]) {
  const seen = new Map<string, Schema<"ModelSwitch">>();
  for (const one of all) {
    const key = `${one.provider}/${one.current_model}`;
    if (!seen.has(key)) seen.set(key, one);
  }
  return [...seen.values()];
}

const largestSaving = (one: Schema<"Optimization">, other: Schema<"Optimization">) =>
  (other.estimated_monthly_savings ?? -1) - (one.estimated_monthly_savings ?? -1) || other.cost - one.cost;

function Switch({ of }: { of: Schema<"ModelSwitch"> }) {
  return (
    <Item
      title={
        <>
          {of.current_model} <span aria-label="to">→</span> {of.suggested_model}
        </>
      }
      saving={of.estimated_monthly_savings}
      text={of.use_case}
      evidence={[
        ["Calls analyzed", count(of.calls)],
        ["Cost now", money(of.current_cost)],
        ["Cost with the new model", money(of.projected_cost)],
        ["Per call now", money(of.current_cost_per_call)],
        ["Per call with the new model", money(of.suggested_cost_per_call)],
        ["Fits context and features", percent(of.fitting_calls)],
        ...(of.savings_low !== null && of.savings_high !== null
          ? [[`Monthly saving, ${percent(95)} interval`, moneyRange(of.savings_low, of.savings_high)] as const]
          : []),
      ]}
    />
  );
}

function Other({ of }: { of: Schema<"Optimization"> }) {
  return (
    <Item
      title={OPTIMIZATIONS[of.type]}
      note={[of.model, of.project].filter(Boolean).join(" · ")}
      saving={of.estimated_monthly_savings}
      text={of.description}
      evidence={[
        ["Spend affected", money(of.cost)],
        ["Confidence", CONFIDENCE[of.confidence]],
        ...Object.entries(of.evidence).map(([name, value]) => evidence(name, value)),
      ]}
    />
  );
}

interface ItemProps {
  title: ReactNode;
  note?: string;
  saving: number | null;
  text: string;
  evidence: readonly (readonly [name: string, value: string])[];
}

function Item({ title, note, saving, text, evidence }: ItemProps) {
  return (
    <li className="flex h-full flex-col rounded-lg border p-4" data-advice>
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <p className="font-medium [overflow-wrap:anywhere]">{title}</p>
          {note !== undefined && <p className="text-xs text-muted [overflow-wrap:anywhere]">{note}</p>}
        </div>
        {saving !== null && <Badge tone="good">{money(saving)} a month</Badge>}
      </div>
      <p className="mt-2 text-muted [overflow-wrap:anywhere]">{text}</p>
      <details className="group mt-auto pt-3">
        <summary className="inline-flex list-none items-center gap-1 rounded text-xs font-medium text-accent hover:underline">
          <ChevronRight aria-hidden className="size-3.5 transition-transform group-open:rotate-90" />
          How we worked this out
        </summary>
        <dl className="mt-2 space-y-1 text-xs">
          {evidence.map(([name, value]) => (
            <div key={name} className="flex justify-between gap-3">
              <dt className="text-muted">{name}</dt>
              <dd className="text-right font-medium">{value}</dd>
            </div>
          ))}
        </dl>
      </details>
    </li>
  );
}
