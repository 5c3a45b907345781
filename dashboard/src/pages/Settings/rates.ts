import type { Schema } from "@/api";

export type RateName = "input" | "cache_read" | "cache_write" | "cache_write_1h" | "output" | "reasoning" | "request";

const MILLION = "per 1M tokens";

/** The rates of a price in display order. */
export const RATES: { name: RateName & keyof Schema<"CustomPrice">; label: string; unit: string; hint: string }[] = [
  { name: "input", label: "Input", unit: MILLION, hint: "Uncached input" },
  { name: "output", label: "Output", unit: MILLION, hint: "Generated tokens" },
  { name: "cache_read", label: "Cache read", unit: MILLION, hint: "Empty = input rate" },
  { name: "cache_write", label: "Cache write", unit: MILLION, hint: "Empty = input rate" },
  { name: "cache_write_1h", label: "Cache write, 1 h", unit: MILLION, hint: "Empty = cache write rate" },
  { name: "reasoning", label: "Reasoning", unit: MILLION, hint: "Empty = output rate" },
  { name: "request", label: "Request", unit: "per call", hint: "Empty = 0" },
];
