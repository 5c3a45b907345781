import { Link } from "react-router";
import { colorOf } from "@/charts";
import { count, exactMoney, short } from "@/format";
import type { By, Part, Series } from "@/utils/costs";
import { SPLITS, costText, partName } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import type { Column } from "@/ui";
import { Card, Table, Unpriced } from "@/ui";
import type { View } from "./view";
import { callsHref } from "./view";

interface Props {
  series: Series;
  by: By;
  tagKey: string | undefined;
  range: Range;
  view: View;
}

/** The totals of each group, with links to filter by it or see its calls. */
export function Groups({ series, by, tagKey, range, view }: Props) {
  const one = SPLITS.find(({ value }) => value === by)?.label ?? by;
  const columns: Column<Part>[] = [
    {
      key: "name",
      header: by === "tag" ? tagKey : one,
      cell: (part) => (
        <span className="flex items-center gap-2 whitespace-nowrap">
          <span
            aria-hidden
            className="size-2.5 shrink-0 rounded-xs"
            style={{ background: colorOf(partName(part, by)) }}
          />
          {by !== "tag" && part.name !== null ? (
            <button
              type="button"
              title={`Only this ${by}`}
              className="rounded text-left font-medium hover:text-accent hover:underline"
              onClick={() => view.set(into(part.name ?? "", by))}
            >
              {" "}
              {partName(part, by)}{" "}
            </button>
          ) : (
            <span className={part.name === null ? "text-muted" : "font-medium"}>{partName(part, by)}</span>
          )}
        </span>
      ),
    },
    {
      key: "cost",
      header: "Cost",
      right: true,
      sort: (part) => part.total_cost,
      cell: (part) => <span title={exactMoney(part.total_cost)}>{costText(part, part.call_count)}</span>,
    },
    {
      key: "calls",
      header: "Calls",
      right: true,
      sort: (part) => part.call_count,
      cell: (part) => count(part.call_count),
    },
    {
      key: "tokens",
      header: "Tokens",
      right: true,
      sort: (part) => part.total_tokens,
      cell: (part) => short(part.total_tokens),
    },
    {
      key: "unpriced",
      header: <span className="sr-only">Unpriced</span>,
      right: true,
      cell: (part) => <Unpriced calls={part.unpriced_calls} />,
    },
    {
      key: "drill",
      header: <span className="sr-only">Calls</span>,
      right: true,
      cell: (part) =>
        part.name !== null && (
          <Link
            className="rounded text-accent hover:underline"
            aria-label={`Calls of ${partName(part, by)}`}
            to={callsHref(
              range,
              by === "tag" ? { tag: `${tagKey}:${part.name}` } : { ...view.filters, [by]: part.name },
            )}
          >
            Calls
          </Link>
        ),
    },
  ];
  return (
    <Card title={`By ${by === "tag" ? `tag ${tagKey}` : by}`} flush>
      <Table
        caption={`Costs by ${by}`}
        columns={columns}
        rows={series.split}
        rowKey={(part) => `${part.others} ${part.name}`}
        sortBy="cost"
      />
    </Card>
  );
}

/** Filters by a group and groups by the next level. */
const into = (name: string, by: Exclude<By, "tag">) => ({ [by]: name, by: by === "model" ? "project" : "model" });
