import { CircleCheck, Lightbulb } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { exactMoney, money, timeZone } from "@/format";
import { Badge, Card, EmptyState, Loaded } from "@/ui";
import { optimizationAnchor } from "./anchors";
import { Facts, More, Target, useTargeted } from "./Target";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";
import { providerName } from "@/format/providers";
import { CONFIDENCE, OPTIMIZATIONS, evidence } from "@/format/recommendations";

/** Avoidable costs, and the fields that would allow more advice. */
export function Optimizations({ days }: { days: number }) {
  const advice = useGet("/api/recommendations", { query: { days, tz: timeZone } }, EVERY_FIVE_MINUTES);
  return (
    <div className="space-y-4">
      <Card title="Waste" note="Cheaper ways to do the same work, and models about to retire" flush>
        <Loaded of={advice}>
          {({ optimizations }) =>
            optimizations.length === 0 ? (
              <EmptyState title="No waste found" icon={<CircleCheck aria-hidden className="size-5" />}>
                Checked: failed calls, retries, caching, batches, prompts and prices.
              </EmptyState>
            ) : (
              <ul className="divide-y border-t">
                {optimizations.map((one) => (
                  <Item key={optimizationAnchor(one)} of={one} days={days} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {advice.data && advice.data.missing_evidence.length > 0 && (
        <Card title="Unlock more advice" note="Send these fields to get it" flush>
          <ul className="divide-y border-t">
            {advice.data.missing_evidence.map((one) => (
              <li key={one.what} className="flex gap-3 px-4 py-3 sm:px-5" data-missing>
                <Lightbulb aria-hidden className="mt-0.5 size-4 shrink-0 text-muted" />
                <div className="min-w-0">
                  <p>
                    <span className="font-medium first-letter:uppercase inline-block">{one.what}</span>
                    <span className="text-muted"> · {one.why}</span>
                  </p>
                  <code className="mt-1 block font-mono text-xs [overflow-wrap:anywhere] text-muted">{one.how}</code>
                </div>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </div>
  );
}

function Item({ of, days }: { of: Schema<"Optimization">; days: number }) {
  const id = optimizationAnchor(of);
  const targeted = useTargeted(id);

  return (
    <Target id={id} data-item="saving">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="min-w-0">
          <h3 className="flex flex-wrap items-center gap-2 font-semibold">
            {OPTIMIZATIONS[of.type]}
            <Badge>{CONFIDENCE[of.confidence]} confidence</Badge>
          </h3>
          <p className="text-xs text-muted">
            {[of.model, providerName(of.provider), of.project].filter(Boolean).join(" · ")}
          </p>
        </div>
        <div className="sm:text-right">
          {of.estimated_monthly_savings === null ? (
            <>
              <p className="text-lg leading-6 font-semibold" title={exactMoney(of.cost)}>
                {money(of.cost)}
              </p>
              <p className="text-xs text-muted">spend affected</p>
            </>
          ) : (
            <>
              <p
                className="text-lg leading-6 font-semibold text-good"
                data-saving
                title={exactMoney(of.estimated_monthly_savings)}
              >
                {money(of.estimated_monthly_savings)} a month
              </p>
              <p className="text-xs text-muted">
                of {money(of.cost)} in the last {days} days
              </p>
            </>
          )}
        </div>
      </div>
      <p className="mt-2 max-w-4xl [overflow-wrap:anywhere]">{of.description}</p>
      <div className="mt-2">
        <More label="How we worked this out" open={targeted}>
          <Facts
            label="How we worked this out"
            facts={Object.entries(of.evidence).map(([name, value]) => evidence(name, value))}
          />
        </More>
      </div>
    </Target>
  );
}
