import { useState } from "react";
import { Link } from "react-router";
import { CircleCheck } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { count, dateTime, date, decimal, isoDay, money, moneyChange, moneyRange, timeZone } from "@/format";
import { Badge, Button, Card, EmptyState, Loaded } from "@/ui";
import { anomalyAnchor } from "./anchors";
import { More, Target, useTargeted } from "./Target";
import { ANOMALIES } from "@/format/anomalies";
import { EVERY_FIVE_MINUTES } from "@/api/refetch";
import { CAUSES } from "./labels";

type Anomaly = Schema<"Anomaly">;

const FIRST = 8;

/** Unusual costs and error rates, with their causes. */
export function Anomalies({ days, pointedAt }: { days: number; pointedAt: string }) {
  const unusual = useGet("/api/recommendations/anomalies", { query: { days, tz: timeZone } }, EVERY_FIVE_MINUTES);
  const [all, setAll] = useState(false);
  return (
    <Card title="Anomalies" note="Compared with the same hours and weekdays before" flush>
      <Loaded of={unusual}>
        {({ anomalies, count: found }) => {
          const whole = all || anomalies.findIndex((one) => anomalyAnchor(one) === pointedAt) >= FIRST;
          return anomalies.length === 0 ? (
            <EmptyState title="No anomalies in this period" icon={<CircleCheck aria-hidden className="size-5" />}>
              Detection needs a few days of calls.
            </EmptyState>
          ) : (
            <>
              <ul className="divide-y border-t">
                {(whole ? anomalies : anomalies.slice(0, FIRST)).map((one) => (
                  <Item key={anomalyAnchor(one)} of={one} />
                ))}
              </ul>
              {!whole && found > FIRST && (
                <div className="flex justify-center border-t p-3">
                  <Button size="sm" onClick={() => setAll(true)}>
                    Show all {count(found)}
                  </Button>
                </div>
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

/** Link to the calls of the same days, with the filters that apply. */
function callsHref(of: Anomaly) {
  const query = new URLSearchParams({
    range: "custom",
    start: of.date,
    end: isoDay(new Date(new Date(of.end).getTime() - 1)),
  });
  if (of.project !== null) query.set("project", of.project);
  if (of.provider !== null) query.set("provider", of.provider);
  if (of.model !== null) query.set("model", of.model);
  if (of.measure === "errors") query.set("status", "error");
  return `/app/calls?${query.toString()}`;
}

function Item({ of }: { of: Anomaly }) {
  const id = anomalyAnchor(of);
  const targeted = useTargeted(id);
  const { label, tone } = ANOMALIES[of.kind];
  return (
    <Target id={id} data-item="anomaly">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-1">
        <div className="min-w-0">
          <h3 className="flex flex-wrap items-center gap-2 font-semibold [overflow-wrap:anywhere]">
            <Badge tone={tone}>{label}</Badge>
            {of.scope === "workspace" ? "Whole workspace" : of.about}
          </h3>
          <p className="mt-0.5 text-xs text-muted">{of.hour === null ? date(of.start) : dateTime(of.start)}</p>
        </div>
        <div className="sm:text-right">
          {of.measure === "cost" ? (
            <>
              <p className="font-semibold">{money(of.cost)}</p>
              <p className="text-xs text-muted">
                expected {money(of.expected_cost)} (range {moneyRange(of.expected_low, of.expected_high)})
              </p>
            </>
          ) : (
            <>
              <p className="font-semibold">
                {count(of.errors)} of {count(of.calls)} failed
              </p>
              <p className="text-xs text-muted">expected {decimal(of.expected_errors)}</p>
            </>
          )}
        </div>
      </div>
      <p className="mt-2 max-w-4xl [overflow-wrap:anywhere]" data-cause>
        {of.cause}
      </p>
      <div className="mt-2 flex flex-wrap items-start gap-x-5 gap-y-1.5">
        {of.contributors.length > 0 && (
          <More label="What drove the change" open={targeted}>
            <ul className="space-y-1 text-[0.8125rem]">
              {of.contributors.map((one) => (
                <li key={`${one.project} ${one.provider}/${one.model} ${one.cause}`} className="flex flex-wrap gap-x-3">
                  <span className="w-20 text-right font-medium whitespace-nowrap">{moneyChange(one.effect)}</span>
                  <span className="min-w-0">
                    {one.model}
                    {one.project !== null && ` in ${one.project}`}
                    <span className="text-muted">: {CAUSES[one.cause]}</span>
                  </span>
                </li>
              ))}
            </ul>
          </More>
        )}
        <Link to={callsHref(of)} className="rounded text-[0.8125rem] font-medium text-accent hover:underline">
          View calls
        </Link>
      </div>
    </Target>
  );
}
