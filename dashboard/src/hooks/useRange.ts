/** A range of days, kept in the address bar as `range`, or as `start` and `end`. */

import { useMemo } from "react";
import { date, fullDay, isoDay, timeZone } from "@/format";
import { useSearchState } from "./useSearchState";

export const PRESETS = {
  today: "Today",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  "365d": "Last 365 days",
  week: "This week",
  month: "This month",
  "last-month": "Last month",
  custom: "Custom range",
} as const;

export type Preset = keyof typeof PRESETS;

/** The query of the cost and metrics endpoints. */
export interface RangeQuery {
  days?: number;
  start?: string;
  end?: string;
  tz: string;
}

export interface Range {
  preset: Preset;
  label: string;
  query: RangeQuery;
  /** The first and the last day, as "2026-03-05". */
  start: string;
  end: string;
  set: (preset: Exclude<Preset, "custom">) => void;
  setCustom: (start: string, end: string) => void;
}

const DEFAULTS = { range: "30d", start: "", end: "" };
const DAY = /^\d{4}-\d{2}-\d{2}$/;

function daysBack(days: number) {
  const at = new Date();
  at.setDate(at.getDate() - days);
  return isoDay(at);
}

function bounds(preset: Exclude<Preset, "custom">): { start: string; end: string; days?: number } {
  const today = new Date();
  const first = (months: number) => isoDay(new Date(today.getFullYear(), today.getMonth() + months, 1));
  switch (preset) {
    case "today":
      return { start: isoDay(today), end: isoDay(today), days: 1 };
    case "week":
      return { start: daysBack((today.getDay() + 6) % 7), end: isoDay(today) };
    case "month":
      return { start: first(0), end: isoDay(today) };
    case "last-month":
      return { start: first(-1), end: isoDay(new Date(today.getFullYear(), today.getMonth(), 0)) };
    default: {
      const days = Number.parseInt(preset, 10);
      return { start: daysBack(days - 1), end: isoDay(today), days };
    }
  }
}

export function useRange(): Range {
  const [state, setState] = useSearchState(DEFAULTS);
  return useMemo(() => {
    const set = (preset: Exclude<Preset, "custom">) => setState({ range: preset, start: "", end: "" });
    const setCustom = (start: string, end: string) => setState({ range: "custom", start, end });
    if (state.range === "custom" && DAY.test(state.start) && DAY.test(state.end)) {
      const { start, end } = state;
      const label = start === end ? fullDay(start) : `${fullDay(start)} – ${fullDay(end)}`;
      return { preset: "custom", label, query: { start, end, tz: timeZone }, start, end, set, setCustom };
    }
    const known = state.range in PRESETS && state.range !== "custom";
    const preset = (known ? state.range : DEFAULTS.range) as Exclude<Preset, "custom">;
    const { start, end, days } = bounds(preset);
    const query = days === undefined ? { start, end, tz: timeZone } : { days, tz: timeZone };
    return { preset, label: PRESETS[preset], query, start, end, set, setCustom };
  }, [state, setState]);
}

/** The range of a preset, regardless of the address. */
export const rangeOf = (preset: Exclude<Preset, "custom">) => ({ preset, ...bounds(preset) });

/** The range and other state of a page as a query string. */
export function rangeSearch({ preset, start, end }: Range, others: Readonly<Record<string, string>> = {}) {
  const query = new URLSearchParams(Object.entries(others).filter(([, value]) => value !== ""));
  if (preset !== DEFAULTS.range) query.set("range", preset);
  if (preset === "custom") {
    query.set("start", start);
    query.set("end", end);
  }
  return query.toString();
}

/** The first and the last day of a range with an exclusive end. */
export const rangeText = (range: { start: string; end: string }) =>
  `${date(range.start)} – ${date(new Date(range.end).getTime() - 1)}`;
