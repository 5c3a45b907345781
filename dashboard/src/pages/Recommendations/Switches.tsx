import { ArrowRight, PiggyBank } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { count, decimal, exactMoney, fullDay, money, moneyRange, percent, timeZone } from "@/format";
import { providerName } from "@/format/providers";
import type { Column } from "@/ui";
import { Badge, Card, EmptyState, Loaded, Table } from "@/ui";
import { switchAnchor } from "./anchors";
import { Facts, More, Target, useTargeted } from "./Target";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";
import { LEFT_OUT } from "./labels";

type Switch = Schema<"ModelSwitch">;

/** The suggestions for each model, as the endpoint orders them: the largest saving first. */
function byModel(all: readonly Switch[]) {
  const models = new Map<string, [Switch, ...Switch[]]>();
  for (const one of all) {
    const known = models.get(switchAnchor(one));
    if (known) known.push(one);
    else models.set(switchAnchor(one), [one]);
  }
  return [...models];
}

/** Cheaper models for the same calls. */
export function Switches({ days }: { days: number }) {
  const advice = useGet("/api/recommendations/model-switching", { query: { days, tz: timeZone } }, EVERY_FIVE_MINUTES);
  return (
    <Card
      title="Model switches"
      note="Cost of the same calls with another model, at today’s prices"
      actions={
        advice.data && advice.data.count > 0 ? (
          <Badge tone="good">
            <span data-potential>{money(advice.data.total_potential_savings)}</span> a month in total
          </Badge>
        ) : undefined
      }
      flush
    >
      <Loaded of={advice}>
        {({ recommendations, left_out, basis }) => (
          <>
            {recommendations.length === 0 ? (
              <EmptyState title="No cheaper models found" icon={<PiggyBank aria-hidden className="size-5" />}>
                We’ll suggest a model of the same or next-lower tier when one is cheaper.
              </EmptyState>
            ) : (
              <ul className="divide-y border-t">
                {byModel(recommendations).map(([id, [best, ...others]]) => (
                  <Suggestion key={id} id={id} best={best} others={others} />
                ))}
              </ul>
            )}
            <div className="space-y-2 border-t px-4 py-3 sm:px-5">
              <More label="Assumptions">
                <div className="max-w-prose space-y-2 text-[0.8125rem]" data-basis>
                  <p>
                    Based on {count(basis.calls)} calls, {count(basis.sampled_calls)} of them sampled. {basis.method}
                  </p>
                  <ul className="list-disc space-y-1 pl-5">
                    {basis.assumptions.map((one) => (
                      <li key={one}>{one}</li>
                    ))}
                  </ul>
                </div>
              </More>
              {left_out.length > 0 && (
                <More
                  label={`${count(left_out.length)} ${left_out.length === 1 ? "model" : "models"} without a suggestion`}
                >
                  <ul className="space-y-1 text-[0.8125rem]" data-left-out>
                    {left_out.map((one) => (
                      <li key={`${one.provider}/${one.model}`}>
                        <span className="font-medium">{one.model}</span>
                        <span className="text-muted">
                          {" "}
                          · {providerName(one.provider)} · {count(one.calls)} calls · {LEFT_OUT[one.reason]}
                        </span>
                      </li>
                    ))}
                  </ul>
                </More>
              )}
            </div>
          </>
        )}
      </Loaded>
    </Card>
  );
}

/** The tier of the suggested model compared with the current one. */
function steps({ tier_step, suggested_tier, current_tier }: Switch): string {
  if (tier_step === 0) return `Same tier (${suggested_tier})`;
  const size = Math.abs(tier_step) === 1 ? "One tier" : `${count(Math.abs(tier_step))} tiers`;
  return `${size} ${tier_step > 0 ? "smaller" : "larger"} (${current_tier} → ${suggested_tier})`;
}

const interval = ({ savings_low, savings_high }: Switch) =>
  savings_low === null || savings_high === null ? "not enough full days" : moneyRange(savings_low, savings_high);

function quality(of: Schema<"AnswerQuality"> | null): string {
  if (of === null) return "not used yet";
  const rated =
    of.average_rating === null ? "not rated" : `rated ${decimal(of.average_rating)} of 5 (${count(of.ratings)})`;
  return of.error_rate === null ? rated : `${rated}, ${percent(of.error_rate)} failed`;
}

const OTHERS: readonly Column<Switch>[] = [
  {
    key: "model",
    header: "New model",
    cell: (row) => (
      <>
        <span className="font-medium">{row.suggested_model}</span>{" "}
        <span className="text-xs text-muted">{providerName(row.suggested_provider)}</span>
      </>
    ),
  },
  { key: "tier", header: "Tier", cell: (row) => row.suggested_tier },
  { key: "cost", header: "New cost", cell: (row) => money(row.projected_cost), right: true },
  { key: "saving", header: "Monthly saving", cell: (row) => money(row.estimated_monthly_savings), right: true },
  { key: "interval", header: `${percent(95)} interval`, cell: interval, right: true },
  { key: "fits", header: "Fits", cell: (row) => percent(row.fitting_calls), right: true },
];

function Suggestion({ id, best, others }: { id: string; best: Switch; others: readonly Switch[] }) {
  const targeted = useTargeted(id);
  return (
    <Target id={id} data-item="switch">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="min-w-0">
          <h3 className="flex flex-wrap items-center gap-x-2 font-semibold [overflow-wrap:anywhere]">
            {best.current_model}
            <ArrowRight role="img" aria-label="to" className="size-4 text-muted" />
            {best.suggested_model}
          </h3>
          <p className="text-xs text-muted">
            {best.same_provider
              ? `Same provider (${providerName(best.provider)})`
              : `${providerName(best.provider)} → ${providerName(best.suggested_provider)}`}
          </p>
        </div>
        <div className="sm:text-right">
          <p
            className="text-lg leading-6 font-semibold text-good"
            data-saving
            title={exactMoney(best.estimated_monthly_savings)}
          >
            {money(best.estimated_monthly_savings)} a month
          </p>
          <p className="text-xs text-muted">
            {best.savings_low === null
              ? "Not enough full days for an interval"
              : `${interval(best)} (${percent(95)} interval)`}
          </p>
        </div>
      </div>
      <dl className="mt-3 grid grid-cols-2 gap-x-6 gap-y-2 sm:grid-cols-4">
        <Figure
          name="Cost now"
          value={money(best.current_cost)}
          note={
            best.current_cost_today !== null && best.current_cost_today !== best.current_cost
              ? `${money(best.current_cost_today)} at today’s prices`
              : undefined
          }
        />
        <Figure name="Cost with the new model" value={money(best.projected_cost)} />
        <Figure
          name="Fits context and features"
          value={percent(best.fitting_calls)}
          note={best.fitting_calls < 100 ? "the rest keep the current model" : undefined}
        />
        <Figure name="Calls" value={count(best.calls)} />
      </dl>
      <p className="mt-3 max-w-4xl text-[0.8125rem] text-muted">{best.use_case}</p>
      <div className="mt-2 flex flex-wrap items-start gap-x-5 gap-y-1.5">
        <More label="Details" open={targeted}>
          <Facts
            label="Details"
            facts={[
              ["Tier", steps(best)],
              ["Cost per call now", money(best.current_cost_per_call)],
              ["Cost per call with the new model", money(best.suggested_cost_per_call)],
              [`Feedback on ${best.current_model}`, quality(best.current_quality)],
              [`Feedback on ${best.suggested_model}`, quality(best.suggested_quality)],
              ["Sampled calls", count(best.sampled_calls)],
              ...(best.suggested_retires_on === null
                ? []
                : [["Retires on", fullDay(best.suggested_retires_on)] as const]),
            ]}
          />
        </More>
        {others.length > 0 && (
          <More label={`${count(others.length)} other ${others.length === 1 ? "model" : "models"} for the same calls`}>
            <div className="-mx-4 sm:-mx-5">
              <Table
                caption={`Other models for ${best.current_model} calls`}
                columns={OTHERS}
                rows={others}
                rowKey={(row) => `${providerName(row.suggested_provider)}/${row.suggested_model}`}
              />
            </div>
          </More>
        )}
      </div>
    </Target>
  );
}

const Figure = ({ name, value, note }: { name: string; value: string; note?: string }) => (
  <div className="flex flex-col justify-between">
    <dt className="text-xs text-muted">{name}</dt>
    <dd className="font-medium">
      {value}
      {note !== undefined && <span className="block text-xs font-normal text-muted">{note}</span>}
    </dd>
  </div>
);
