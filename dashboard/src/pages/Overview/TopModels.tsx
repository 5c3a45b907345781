import { useGet } from "@/api";
import { BarList } from "@/charts";
import { count } from "@/format";
import { costText } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { rangeSearch } from "@/hooks/useRange";
import { Card, EmptyState, Loaded } from "@/ui";

export function TopModels({ range }: { range: Range }) {
  const top = useGet("/api/costs/top-models", { query: { ...range.query, limit: 7 } });
  return (
    <Card title="Top models" note={range.label}>
      <Loaded of={top}>
        {({ models }) =>
          models.length === 0 ? (
            <EmptyState title="No calls in this period" />
          ) : (
            <BarList
              label="Top models"
              items={models.map((one) => ({
                name: one.model,
                value: one.total_cost,
                text: costText(one, one.total_calls),
                note: one.total_calls === 1 ? "1 call" : `${count(one.total_calls)} calls`,
                href: `/app/explore?${rangeSearch(range, { model: one.model, by: "project" })}`,
              }))}
            />
          )
        }
      </Loaded>
    </Card>
  );
}
