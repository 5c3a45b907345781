import { useGet } from "@/api";
import type { Schema } from "@/api";
import { money, percent } from "@/format";
import { Badge, Card, EmptyState, LinkButton, Loaded, ProgressBar, Unpriced } from "@/ui";

type Budget = Schema<"Budget">;
const SHOWN = 5;
const PERIODS: Record<Budget["period"], string> = {
  daily: "a day",
  weekly: "a week",
  monthly: "a month",
  quarterly: "a quarter",
  yearly: "a year",
  custom: "a period",
};

export function Budgets() {
  const budgets = useGet("/api/budgets");
  return (
    <Card
      title="Budgets"
      actions={
        <LinkButton size="sm" look="ghost" className="-my-1 -mr-2.5 text-accent" to="/app/budgets">
          All budgets
        </LinkButton>
      }
    >
      <Loaded of={budgets}>
        {(data) =>
          data.budgets.length === 0 ? (
            <EmptyState title="No budgets yet" action={<LinkButton to="/app/budgets">Go to budgets</LinkButton>}>
              A budget alerts you before it is used up and can block further calls.
            </EmptyState>
          ) : (
            <ul className="space-y-4">
              {[...data.budgets]
                .sort((one, other) => other.percentage_used - one.percentage_used)
                .slice(0, SHOWN)
                .map((budget) => (
                  <Line key={budget.id} of={budget} />
                ))}
            </ul>
          )
        }
      </Loaded>
    </Card>
  );
}

function Line({ of }: { of: Budget }) {
  return (
    <li data-budget={of.name}>
      <div className="mb-1.5 flex items-baseline justify-between gap-3">
        <span className="min-w-0 truncate font-medium">{of.name}</span>
        <span className="text-xs whitespace-nowrap text-muted">
          <span className="font-medium text-ink">{money(of.current_spend)}</span> of {money(of.limit)}{" "}
          {PERIODS[of.period]}
        </span>
      </div>
      <ProgressBar
        label={of.name}
        percentUsed={of.percentage_used}
        percentReserved={of.limit > 0 ? (of.reserved / of.limit) * 100 : 0}
      />
      <div className="mt-1.5 flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-muted">
        {of.status !== "ok" && (
          <Badge tone={of.status === "exceeded" ? "bad" : "warn"}>
            {of.status === "exceeded" ? "Exceeded" : "Almost at limit"}
          </Badge>
        )}
        <span>{percent(of.percentage_used)} used</span>
        {of.reserved > 0 && <span>{money(of.reserved)} reserved</span>}
        <Unpriced calls={of.unpriced_calls} />
      </div>
    </li>
  );
}
