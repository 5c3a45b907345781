/** Labels of recommendations. */

import type { Schema } from "@/api";
import { decimal, money, percent } from ".";

export const OPTIMIZATIONS: Record<Schema<"Optimization">["type"], string> = {
  failed_calls: "Failed calls",
  retry_storm: "Retries",
  cache_loss: "Caching at a loss",
  caching_unused: "Caching not used",
  batch: "Batch prices",
  oversized_prompts: "Long prompts",
  unused_output_limit: "Output limits",
  price_cut: "Newer version costs less",
  retirement: "Retires soon",
};

export const CONFIDENCE: Record<Schema<"Optimization">["confidence"], string> = {
  high: "High",
  medium: "Medium",
  low: "Low",
};

/** The label and the formatted value of a figure behind a recommendation. */
export function evidence(name: string, value: number): readonly [name: string, value: string] {
  const words = name.replaceAll("_", " ");
  const label = words.charAt(0).toUpperCase() + words.slice(1);
  if (/cost|price|savings/.test(name)) return [label, money(value)];
  if (/share|rate|discount/.test(name) && value <= 1) return [label, percent(value * 100)];
  return [label, decimal(value)];
}
