import type { Schema } from "@/api";

export type RateName = "input" | "cache_read" | "cache_write" | "cache_write_1h" | "output" | "reasoning" | "request";

const MILLION = "per 1M tokens";

/** The rates of a price, in the order they are shown. */
export const RATES: { name: RateName & keyof Schema<"OwnPrice">; label: string; unit: string; hint: string }[] = [
  { name: "input", label: "Input", unit: MILLION, hint: "The uncached prompt" },
  { name: "output", label: "Output", unit: MILLION, hint: "The answer" },
  { name: "cache_read", label: "Cache read", unit: MILLION, hint: "As input, if empty" },
  { name: "cache_write", label: "Cache write", unit: MILLION, hint: "As input, if empty" },
  { name: "cache_write_1h", label: "Cache write, 1 h", unit: MILLION, hint: "As cache write, if empty" },
  { name: "reasoning", label: "Reasoning", unit: MILLION, hint: "As output, if empty" },
  { name: "request", label: "Request", unit: "per call", hint: "0, if empty" },
];
