import type { ReactNode } from "react";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import { ArrowDown, ArrowUp, ChevronsUpDown } from "lucide-react";
import { classes } from "@/utils/classes";
import { Button } from "./button";

export interface Column<Row> {
  key: string;
  header: ReactNode;
  cell: (row: Row) => ReactNode;
  /** Makes the column sortable. Only for complete lists, not for pages of one. */
  sort?: (row: Row) => string | number | null | undefined;
  /** Right-aligned, for numbers. */
  right?: boolean;
  /** Hidden on phones; another column should show the value there. */
  wide?: boolean;
  className?: string;
}

interface TableProps<Row> {
  /** The accessible name. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** The target of a row's link. */
  rowHref?: (row: Row) => string;
  /** The initial sort column, descending. */
  sortBy?: string;
  /** Maximum height; the rows scroll below the header. */
  maxHeight?: string;
  empty?: ReactNode;
}

export function Table<Row>({ caption, columns, rows, rowKey, rowHref, sortBy, maxHeight, empty }: TableProps<Row>) {
  const [sorted, setSorted] = useState({ key: sortBy, down: true });
  const shown = useMemo(() => {
    const by = columns.find((column) => column.key === sorted.key)?.sort;
    return by ? [...rows].sort((one, other) => compare(by(one), by(other), sorted.down)) : rows;
  }, [columns, rows, sorted]);
  if (rows.length === 0 && empty !== undefined) return empty;
  return (
    // Keyboard users must be able to scroll it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="overflow-auto rounded-b-xl" style={{ maxHeight }} role="group" aria-label={caption} tabIndex={0}>
      <table className="w-full border-collapse text-left">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const active = column.sort && sorted.key === column.key;
              return (
                <th
                  key={column.key}
                  scope="col"
                  aria-sort={active ? (sorted.down ? "descending" : "ascending") : undefined}
                  className={classes(
                    "sticky top-0 z-10 border-b bg-surface px-3 py-2 text-xs font-medium whitespace-nowrap text-muted first:pl-4 last:pr-4 sm:first:pl-5 sm:last:pr-5",
                    column.right && "text-right",
                    column.wide && "max-sm:hidden",
                  )}
                >
                  {column.sort ? (
                    <button
                      type="button"
                      className="inline-flex items-center gap-1 rounded hover:text-ink"
                      onClick={() => setSorted({ key: column.key, down: active ? !sorted.down : true })}
                    >
                      {column.header}
                      <SortMark active={active === true} down={sorted.down} />
                    </button>
                  ) : (
                    column.header
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={rowKey(row)} className="relative border-b last:border-b-0 hover:bg-hover">
              {columns.map((column, index) => (
                <td
                  key={column.key}
                  className={classes(
                    "px-3 py-2 first:pl-4 last:pr-4 sm:first:pl-5 sm:last:pr-5",
                    column.right && "text-right whitespace-nowrap",
                    column.wide && "max-sm:hidden",
                    column.className,
                  )}
                >
                  {index === 0 && rowHref ? (
                    <Link
                      to={rowHref(row)}
                      className="font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
                    >
                      {column.cell(row)}
                    </Link>
                  ) : (
                    column.cell(row)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SortMark({ active, down }: { active: boolean; down: boolean }) {
  const Icon = active ? (down ? ArrowDown : ArrowUp) : ChevronsUpDown;
  return <Icon aria-hidden className={classes("size-3", !active && "opacity-60")} />;
}

/** Missing values come last in both directions. */
function compare(one: string | number | null | undefined, other: string | number | null | undefined, down: boolean) {
  if (one === null || one === undefined) return other === null || other === undefined ? 0 : 1;
  if (other === null || other === undefined) return -1;
  const order =
    typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
  return down ? -order : order;
}

/** Loads the next page of a list. Takes the result of usePages. */
export function LoadMore({
  of,
}: {
  of: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  if (!of.hasNextPage) return null;
  return (
    <div className="flex justify-center border-t p-3">
      <Button size="sm" busy={of.isFetchingNextPage} onClick={() => of.fetchNextPage()}>
        Load more
      </Button>
    </div>
  );
}
