import type { ReactNode } from "react";
import { Link } from "react-router";
import { scaleBand, scaleLinear } from "d3-scale";
import { classes } from "@/utils/classes";
import { colorOf } from "./colors";
import { rem, useWidth } from "./frame";

export interface BarItem {
  name: string;
  /** The length of the bar. */
  value: number;
  /** The formatted value at its end. */
  text: ReactNode;
  note?: ReactNode;
  href?: string;
  color?: string;
}

/** A ranking with a name, a bar and a value per line. It is a list and needs no table behind it. */
export function BarList({ items, label }: { items: readonly BarItem[]; label: string }) {
  const most = Math.max(...items.map((item) => item.value), 0) || 1;
  return (
    <ol aria-label={label} className="space-y-2.5">
      {items.map((item) => (
        <li key={item.name}>
          <div className="flex items-baseline justify-between gap-3">
            <span className="min-w-0 truncate">
              {item.href === undefined ? (
                item.name
              ) : (
                <Link to={item.href} className="rounded hover:text-accent hover:underline">
                  {item.name}
                </Link>
              )}
              {item.note !== undefined && <span className="ml-2 text-xs text-muted">{item.note}</span>}
            </span>
            <span className="font-medium whitespace-nowrap">{item.text}</span>
          </div>
          <div className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken">
            <div
              className="h-full rounded-full"
              style={{
                width: `${(Math.max(0, item.value) / most) * 100}%`,
                background: item.color ?? colorOf(item.name),
              }}
            />
          </div>
        </li>
      ))}
    </ol>
  );
}

export interface WaterfallItem {
  label: string;
  value: number;
  /** A total starts at zero; a change starts where the previous item ended. */
  kind: "total" | "change";
}

/** The changes between two totals. Put it into a ChartFrame, which has the table. */
export function Waterfall({
  items,
  format,
  height = 280,
  moreIs = "worse",
}: {
  items: readonly WaterfallItem[];
  format: (value: number) => string;
  height?: number;
  moreIs?: "worse" | "better";
}) {
  const [ref, width] = useWidth();
  const spans: { from: number; to: number }[] = [];
  for (const item of items) {
    const from = item.kind === "total" ? 0 : (spans.at(-1)?.to ?? 0);
    spans.push({ from, to: item.kind === "total" ? item.value : from + item.value });
  }
  const edges = spans.flatMap(({ from, to }) => [from, to]);
  const x = scaleBand<number>()
    .domain(items.map((_, index) => index))
    .range([0, width])
    .padding(0.22);
  const y = scaleLinear([Math.min(0, ...edges), Math.max(0, ...edges) || 1], [height - 42, 22]);
  const fill = (item: WaterfallItem) =>
    item.kind === "total"
      ? "var(--accent)"
      : item.value > 0 === (moreIs === "better")
        ? "var(--bar-good)"
        : "var(--bar-bad)";
  const change = (item: WaterfallItem) => `${item.kind === "change" && item.value > 0 ? "+" : ""}${format(item.value)}`;
  // If columns would be too narrow for their labels, the bars are horizontal.
  if (width > 0 && width < items.length * 76) {
    const across = scaleLinear([Math.min(0, ...edges), Math.max(0, ...edges) || 1], [0, 100]);
    return (
      <div ref={ref}>
        <ol className="space-y-2 text-xs">
          {items.map((item, index) => {
            const { from, to } = spans[index] ?? { from: 0, to: 0 };
            const left = across(Math.min(from, to));
            return (
              <li key={index}>
                <div className="flex justify-between gap-3">
                  <span className="text-muted">{item.label}</span>
                  <span className="font-medium whitespace-nowrap">{change(item)}</span>
                </div>
                <div className="relative mt-0.5 h-2.5 rounded-xs bg-sunken">
                  <div
                    className="absolute inset-y-0 min-w-0.5 rounded-xs"
                    style={{ left: `${left}%`, width: `${across(Math.max(from, to)) - left}%`, background: fill(item) }}
                  />
                </div>
              </li>
            );
          })}
        </ol>
      </div>
    );
  }
  return (
    <div ref={ref} style={{ height: rem(height) }}>
      {width > 0 && (
        <svg viewBox={`0 0 ${width} ${height}`} className="block size-full">
          <line x1={0} x2={width} y1={y(0)} y2={y(0)} stroke="var(--line-strong)" />
          {items.map((item, index) => {
            const { from, to } = spans[index] ?? { from: 0, to: 0 };
            const left = x(index) ?? 0;
            const top = Math.min(y(from), y(to));
            return (
              <g key={index}>
                <rect
                  x={left}
                  width={x.bandwidth()}
                  y={top}
                  height={Math.max(1, Math.abs(y(from) - y(to)))}
                  rx={2}
                  fill={fill(item)}
                />
                {index < items.length - 1 && (
                  <line
                    x1={left + x.bandwidth()}
                    x2={x(index + 1)}
                    y1={y(to)}
                    y2={y(to)}
                    stroke="var(--line-strong)"
                    strokeDasharray="2 3"
                  />
                )}
                <text
                  x={left + x.bandwidth() / 2}
                  y={top - 6}
                  textAnchor="middle"
                  className="fill-ink text-[11px] font-medium"
                >
                  {change(item)}
                </text>
                <foreignObject
                  x={left - x.step() * 0.1}
                  y={height - 36}
                  width={x.bandwidth() + x.step() * 0.2}
                  height={36}
                >
                  <p className="line-clamp-2 text-center text-[11px] leading-tight text-muted">{item.label}</p>
                </foreignObject>
              </g>
            );
          })}
        </svg>
      )}
    </div>
  );
}

/** Counts per bin. Put it into a ChartFrame, which has the table. */
export function Histogram({
  bins,
  format,
  height = 180,
  color = "var(--accent)",
}: {
  bins: readonly { label: string; value: number }[];
  format: (value: number) => string;
  height?: number;
  color?: string;
}) {
  const most = Math.max(...bins.map((bin) => bin.value), 0) || 1;
  return (
    <ol className="flex items-end gap-2" style={{ height: rem(height) }}>
      {bins.map((bin) => (
        <li key={bin.label} className="flex h-full min-w-0 flex-1 flex-col justify-end text-center text-[0.6875rem]">
          <span className="font-medium">{format(bin.value)}</span>
          <span
            className={classes("mt-1 block w-full rounded-t", bin.value > 0 && "min-h-0.5")}
            style={{ height: `${(bin.value / most) * 72}%`, background: color }}
          />
          <span className="mt-1 block truncate border-t pt-1 text-muted">{bin.label}</span>
        </li>
      ))}
    </ol>
  );
}
