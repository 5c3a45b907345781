import { ArrowRight, PiggyBank } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { count, decimal, exactMoney, fullDay, money, percent, timeZone } from "@/format";
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

/** Other models that can do the job for less. */
export function Switches({ days }: { days: number }) {
  const advice = useGet("/api/recommendations/model-switching", { query: { days, tz: timeZone } }, EVERY_FIVE_MINUTES);
  return (
    <Card
      title="Other models"
      note="What the same calls would have cost on another model that can do the job, at today’s prices"
      actions={
        advice.data && advice.data.count > 0 ? (
          <Badge tone="good">
            <span data-potential>{money(advice.data.total_potential_savings)}</span> a month in all
          </Badge>
        ) : undefined
      }
      flush
    >
      <Loaded of={advice}>
        {({ recommendations, left_out, basis }) => (
          <>
            {recommendations.length === 0 ? (
              <EmptyState title="No cheaper model would do" icon={<PiggyBank aria-hidden className="size-5" />}>
                When one its vendor places where yours is, or just below, costs less for your calls, it is named here.
              </EmptyState>
            ) : (
              <ul className="divide-y border-t">
                {byModel(recommendations).map(([id, [best, ...others]]) => (
                  <Suggestion key={id} id={id} best={best} others={others} />
                ))}
              </ul>
            )}
            <div className="space-y-2 border-t px-4 py-3 sm:px-5">
              <More label="What these figures assume">
                <div className="max-w-prose space-y-2 text-[0.8125rem]" data-basis>
                  <p>
                    From {count(basis.calls)} calls, of which {count(basis.sampled_calls)} were looked at one by one.{" "}
                    {basis.method}
                  </p>
                  <ul className="list-disc space-y-1 pl-5">
                    {basis.assumptions.map((one) => (
                      <li key={one}>{one}</li>
                    ))}
                  </ul>
                </div>
              </More>
              {left_out.length > 0 && (
                <More label={`Models that nothing is suggested for (${count(left_out.length)})`}>
                  <ul className="space-y-1 text-[0.8125rem]" data-left-out>
                    {left_out.map((one) => (
                      <li key={`${one.provider}/${one.model}`}>
                        <span className="font-medium">{one.model}</span>
                        <span className="text-muted">
                          {" "}
                          of {one.provider}, {count(one.calls)} calls: {LEFT_OUT[one.reason]}
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

/** Who the suggested model is, beside the current one. */
function steps({ tier_step, suggested_tier, current_tier }: Switch): string {
  if (tier_step === 0) return `Its vendor places it as high: ${suggested_tier}`;
  return tier_step > 0
    ? `A tier lower: ${suggested_tier} instead of ${current_tier}`
    : `A tier higher: ${suggested_tier} instead of ${current_tier}`;
}

const interval = ({ savings_low, savings_high }: Switch) =>
  savings_low === null || savings_high === null
    ? "too few whole days to say"
    : `${money(savings_low)} to ${money(savings_high)}`;

function quality(of: Schema<"AnswerQuality"> | null): string {
  if (of === null) return "not used here yet";
  const rated =
    of.average_rating === null ? "not rated" : `rated ${decimal(of.average_rating)} of 5 (${count(of.ratings)})`;
  return of.error_rate === null ? rated : `${rated}, ${percent(of.error_rate)} failed`;
}

const OTHERS: readonly Column<Switch>[] = [
  {
    key: "model",
    header: "Instead",
    cell: (row) => (
      <>
        <span className="font-medium">{row.suggested_model}</span>{" "}
        <span className="text-xs text-muted">{row.suggested_provider}</span>
      </>
    ),
  },
  { key: "tier", header: "Tier", cell: (row) => row.suggested_tier },
  { key: "cost", header: "Cost then", cell: (row) => money(row.projected_cost), right: true },
  { key: "saving", header: "Saving a month", cell: (row) => money(row.estimated_monthly_savings), right: true },
  { key: "interval", header: "In 19 of 20 cases", cell: interval, right: true },
  { key: "fits", header: "Fit", cell: (row) => percent(row.fitting_calls), right: true },
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
            {best.same_provider ? `Both of ${best.provider}` : `From ${best.provider} to ${best.suggested_provider}`}
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
            {best.savings_low === null ? "Too few whole days for an interval" : `${interval(best)} in 19 of 20 cases`}
          </p>
        </div>
      </div>
      <dl className="mt-3 grid grid-cols-2 gap-x-6 gap-y-2 sm:grid-cols-4">
        <Figure
          name="These calls cost"
          value={money(best.current_cost)}
          note={
            best.current_cost_today !== null && best.current_cost_today !== best.current_cost
              ? `${money(best.current_cost_today)} at today’s prices`
              : undefined
          }
        />
        <Figure name="On the other" value={money(best.projected_cost)} />
        <Figure
          name="Calls that fit"
          value={percent(best.fitting_calls)}
          note={best.fitting_calls < 100 ? "the others stay" : undefined}
        />
        <Figure name="Calls" value={count(best.calls)} />
      </dl>
      <p className="mt-3 max-w-4xl text-[0.8125rem] text-muted">{best.use_case}</p>
      <div className="mt-2 flex flex-wrap items-start gap-x-5 gap-y-1.5">
        <More label="What changes" open={targeted}>
          <Facts
            label="What changes"
            facts={[
              ["Where it stands", steps(best)],
              ["A call costs now", money(best.current_cost_per_call)],
              ["A call would cost", money(best.suggested_cost_per_call)],
              [`Answers of ${best.current_model}`, quality(best.current_quality)],
              [`Answers of ${best.suggested_model}`, quality(best.suggested_quality)],
              ["Calls whose length was looked at", count(best.sampled_calls)],
              ...(best.suggested_retires_on === null
                ? []
                : [["Its vendor serves it until", fullDay(best.suggested_retires_on)] as const]),
            ]}
          />
        </More>
        {others.length > 0 && (
          <More label={`${count(others.length)} other ${others.length === 1 ? "model" : "models"} for the same calls`}>
            <div className="-mx-4 sm:-mx-5">
              <Table
                caption={`Other models for the calls of ${best.current_model}`}
                columns={OTHERS}
                rows={others}
                rowKey={(row) => `${row.suggested_provider}/${row.suggested_model}`}
              />
            </div>
          </More>
        )}
      </div>
    </Target>
  );
}

const Figure = ({ name, value, note }: { name: string; value: string; note?: string }) => (
  <div>
    <dt className="text-xs text-muted">{name}</dt>
    <dd className="font-medium">
      {value}
      {note !== undefined && <span className="block text-xs font-normal text-muted">{note}</span>}
    </dd>
  </div>
);
