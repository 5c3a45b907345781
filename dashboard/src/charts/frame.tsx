import type { ReactNode } from "react";
import { useEffect, useRef, useState } from "react";
import { ChartColumn, Table2 } from "lucide-react";
import { Card, IconButton } from "@/ui";
import { classes } from "@/utils/classes";

export interface Legend {
  name: string;
  color: string;
  hatched?: boolean;
}

interface FrameProps {
  title: string;
  note?: ReactNode;
  actions?: ReactNode;
  legend?: readonly Legend[];
  /** The data of the chart, already formatted. */
  table: { columns: readonly string[]; rows: readonly (readonly string[])[] };
  children: ReactNode;
  className?: string;
}

/** A chart with title and legend, and its data as a table: one click away, and always available to screen readers. */
export function ChartFrame({ title, note, actions, legend, table, children, className }: FrameProps) {
  const [asTable, setAsTable] = useState(false);
  return (
    <Card
      title={title}
      note={note}
      className={className}
      actions={
        <>
          {actions}
          <IconButton
            size="sm"
            className="-my-1"
            label={asTable ? "Show as chart" : "Show as table"}
            aria-pressed={asTable}
            icon={asTable ? <ChartColumn aria-hidden className="size-4" /> : <Table2 aria-hidden className="size-4" />}
            onClick={() => setAsTable(!asTable)}
          />
        </>
      }
    >
      <div
        className={classes(asTable ? "max-h-80 overflow-auto" : "sr-only")}
        {...(asTable && { tabIndex: 0, role: "group", "aria-label": title })}
      >
        <table className="w-full text-left text-[0.8125rem]">
          <caption className="sr-only">{title}</caption>
          <thead>
            <tr>
              {table.columns.map((column, index) => (
                <th
                  key={column}
                  scope="col"
                  className={classes(
                    "sticky top-0 border-b bg-surface py-1.5 pr-4 text-xs font-medium whitespace-nowrap text-muted",
                    index > 0 && "text-right",
                  )}
                >
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row, index) => (
              <tr key={index} className="border-b last:border-0">
                {row.map((cell, column) =>
                  column === 0 ? (
                    <th key={column} scope="row" className="py-1.5 pr-4 font-normal whitespace-nowrap">
                      {cell}
                    </th>
                  ) : (
                    <td key={column} className="py-1.5 pr-4 text-right whitespace-nowrap">
                      {cell}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!asTable && (
        <div aria-hidden>
          {legend && legend.length > 1 && <LegendList legend={legend} />}
          {children}
        </div>
      )}
    </Card>
  );
}

export function LegendList({ legend }: { legend: readonly Legend[] }) {
  return (
    <ul className="mb-3 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted">
      {legend.map(({ name, color, hatched }) => (
        <li key={name} className="flex min-w-0 items-center gap-1.5">
          <span
            className={classes("size-2.5 shrink-0 rounded-xs", hatched && "hatched")}
            style={hatched ? { color } : { background: color }}
          />
          <span className="truncate">{name}</span>
        </li>
      ))}
    </ul>
  );
}

/** A sixteenth of a rem: one pixel at the default text size, more on a wall display. */
const unit = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

/** A length of a drawing for `style`. */
export const rem = (units: number) => `${units / 16}rem`;

/** The width of a chart, in units that scale with the text. */
export function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width / unit())));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width] as const;
}
