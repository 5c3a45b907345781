import type { ReactNode } from "react";
import { useState } from "react";
import { scaleBand, scaleLinear } from "d3-scale";
import { area, curveMonotoneX, line, stack, stackOrderNone } from "d3-shape";
import { classes } from "@/utils/classes";
import { colorOf } from "./colors";
import { rem, useWidth } from "./frame";

export interface TimePoint {
  /** The axis label, such as "5 Mar". */
  label: string;
  /** The title of the tooltip, such as "Thursday, 5 March". */
  title?: string;
  /** The value of each series by name. */
  values: Readonly<Record<string, number | null>>;
  /** Lines only: the interval of a forecast. */
  interval?: readonly [low: number, high: number];
  /** A wider interval around it, drawn lighter. */
  outer?: readonly [low: number, high: number];
  /** In the future or not yet complete; drawn lighter. */
  provisional?: boolean;
  /** A mark on the chart, such as an anomaly and its cause. */
  mark?: { text: string; tone: "bad" | "good" };
}

interface Props {
  /** From bottom to top. */
  series: readonly string[];
  points: readonly TimePoint[];
  kind?: "bars" | "areas" | "lines";
  format: (value: number) => string;
  /** A shorter format for the axis. */
  formatAxis?: (value: number) => string;
  height?: number;
  color?: (name: string) => string;
  /** A line across, such as a budget. */
  limit?: { value: number; label: string };
  onSelect?: (index: number) => void;
}

const TOP = 18;
const BOTTOM = 24;
const LEFT = 58;
const RIGHT = 6;

/** Values over time: stacked bars or areas, or lines. Put it into a ChartFrame, which has the table. */
export function TimeSeriesChart({
  series,
  points,
  kind = "bars",
  format,
  formatAxis = format,
  height = 260,
  color = colorOf,
  limit,
  onSelect,
}: Props) {
  const [ref, width] = useWidth();
  const [active, setActive] = useState<number>();
  const stacked = kind !== "lines";
  const layers = stack<TimePoint>()
    .keys([...series])
    .value((point, name) => Math.max(0, point.values[name] ?? 0))
    .order(stackOrderNone)([...points]);
  const tops = points.map((point, index) =>
    Math.max(
      stacked ? (layers.at(-1)?.[index]?.[1] ?? 0) : Math.max(0, ...series.map((name) => point.values[name] ?? 0)),
      point.interval?.[1] ?? 0,
      point.outer?.[1] ?? 0,
    ),
  );
  const highest = Math.max(...tops, limit?.value ?? 0) || 1;
  const x = scaleBand<number>()
    .domain(points.map((_, index) => index))
    .range([LEFT, Math.max(LEFT + 1, width - RIGHT)])
    .paddingInner(kind === "bars" ? 0.25 : 0)
    .paddingOuter(0.1);
  const y = scaleLinear([0, highest], [height - BOTTOM, TOP]).nice(4);
  const middle = (index: number) => (x(index) ?? 0) + x.bandwidth() / 2;
  const every = Math.max(1, Math.ceil(points.length / Math.max(1, Math.floor((width - LEFT) / 72))));
  const point = active === undefined ? undefined : points[active];

  return (
    <div ref={ref} className="relative" style={{ height: rem(height) }}>
      {width > 0 && (
        <svg
          viewBox={`0 0 ${width} ${height}`}
          className="block size-full overflow-visible"
          onPointerLeave={() => setActive(undefined)}
        >
          {y.ticks(4).map((tick) => (
            <g key={tick}>
              <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} stroke="var(--line)" />
              <text x={LEFT - 8} y={y(tick)} dy="0.32em" textAnchor="end" className="fill-muted text-[11px]">
                {formatAxis(tick)}
              </text>
            </g>
          ))}
          {points.map(
            (one, index) =>
              index % every === 0 && (
                <text
                  key={index}
                  x={middle(index)}
                  y={height - 6}
                  textAnchor={index === 0 && points.length > 1 && x.bandwidth() < 40 ? "start" : "middle"}
                  className="fill-muted text-[11px]"
                >
                  {one.label}
                </text>
              ),
          )}
          {active !== undefined && (
            <rect
              x={middle(active) - x.step() / 2}
              width={x.step()}
              y={TOP}
              height={height - BOTTOM - TOP}
              fill="var(--hover)"
            />
          )}
          {kind === "bars" &&
            layers.map((layer) => (
              <g key={layer.key} fill={color(layer.key)}>
                {layer.map(
                  ([low, high], index) =>
                    high > low && (
                      <rect
                        key={index}
                        x={x(index)}
                        width={Math.max(1, x.bandwidth())}
                        y={y(high)}
                        height={Math.max(0.5, y(low) - y(high))}
                        opacity={points[index]?.provisional ? 0.55 : 1}
                      />
                    ),
                )}
              </g>
            ))}
          {kind === "areas" &&
            layers.map((layer) => (
              <path
                key={layer.key}
                fill={color(layer.key)}
                fillOpacity={0.85}
                d={
                  area<(typeof layer)[number]>()
                    .x((_, index) => middle(index))
                    .y0(([low]) => y(low))
                    .y1(([, high]) => y(high))
                    .curve(curveMonotoneX)(layer) ?? ""
                }
              />
            ))}
          {(["outer", "interval"] as const).map(
            (band) =>
              points.some((one) => one[band]) && (
                <path
                  key={band}
                  data-band={band}
                  fill="var(--accent)"
                  fillOpacity={band === "outer" ? 0.1 : 0.16}
                  d={
                    area<TimePoint>()
                      .defined((one) => one[band] !== undefined)
                      .x((_, index) => middle(index))
                      .y0((one) => y(one[band]?.[0] ?? 0))
                      .y1((one) => y(one[band]?.[1] ?? 0))([...points]) ?? ""
                  }
                />
              ),
          )}
          {kind === "lines" &&
            series.map((name) => (
              <path
                key={name}
                fill="none"
                stroke={color(name)}
                strokeWidth={2}
                d={
                  line<TimePoint>()
                    .defined((one) => one.values[name] !== null && one.values[name] !== undefined)
                    .x((_, index) => middle(index))
                    .y((one) => y(one.values[name] ?? 0))([...points]) ?? ""
                }
              />
            ))}
          {limit && (
            <g>
              <line
                x1={LEFT}
                x2={width - RIGHT}
                y1={y(limit.value)}
                y2={y(limit.value)}
                stroke="var(--bad)"
                strokeDasharray="4 4"
              />
              <text x={width - RIGHT} y={y(limit.value) - 5} textAnchor="end" className="fill-bad text-[11px]">
                {limit.label}
              </text>
            </g>
          )}
          {points.map(
            (one, index) =>
              one.mark && (
                <path
                  key={index}
                  data-mark={one.mark.tone}
                  transform={`translate(${middle(index)} ${y(tops[index] ?? 0) - 9})`}
                  d="M0 6 L-5 -3 L5 -3 Z"
                  fill={one.mark.tone === "bad" ? "var(--bad)" : "var(--good)"}
                />
              ),
          )}
          {points.map((_, index) => (
            <rect
              key={index}
              x={middle(index) - x.step() / 2}
              width={x.step()}
              y={0}
              height={height}
              fill="transparent"
              className={classes(onSelect && "cursor-pointer")}
              onPointerEnter={() => setActive(index)}
              onClick={onSelect && (() => onSelect(index))}
            />
          ))}
        </svg>
      )}
      {point && active !== undefined && (
        <ChartTooltip at={middle(active)} width={width}>
          <p className="font-medium">{point.title ?? point.label}</p>
          <ul className="mt-1 space-y-0.5">
            {[...series]
              .reverse()
              .filter((name) => point.values[name])
              .slice(0, 10)
              .map((name) => (
                <li key={name} className="flex items-center gap-1.5">
                  <span className="size-2 shrink-0 rounded-xs" style={{ background: color(name) }} />
                  <span className="min-w-0 flex-1 truncate text-muted">{name}</span>
                  <span className="pl-3">{format(point.values[name] ?? 0)}</span>
                </li>
              ))}
          </ul>
          {point.interval && (
            <p className="mt-1 text-muted">
              Likely {format(point.interval[0])} – {format(point.interval[1])}
              {point.outer && `, possibly ${format(point.outer[0])} – ${format(point.outer[1])}`}
            </p>
          )}
          {point.mark && (
            <p
              className={classes(
                "mt-1 max-w-60 whitespace-pre-line",
                point.mark.tone === "bad" ? "text-bad" : "text-good",
              )}
            >
              {point.mark.text}
            </p>
          )}
        </ChartTooltip>
      )}
    </div>
  );
}

/** Follows the pointer, on the side with more room. */
function ChartTooltip({ at, width, children }: { at: number; width: number; children: ReactNode }) {
  const right = at > width / 2;
  return (
    <div
      data-tooltip
      className="pointer-events-none absolute top-2 z-20 max-w-72 min-w-40 rounded-lg border bg-surface px-3 py-2 text-xs shadow-floating"
      style={right ? { right: rem(width - at + 12) } : { left: rem(at + 12) }}
    >
      {children}
    </div>
  );
}
