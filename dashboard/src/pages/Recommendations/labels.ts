/** What the words of the endpoints are called here. */

import type { Schema } from "@/api";
import type { Tone } from "@/ui";
import { decimal, money, percent } from "@/format";

export const OPTIMIZATIONS: Record<Schema<"Optimization">["type"], string> = {
  failed_calls: "Failed calls",
  retry_storm: "Retries",
  cache_loss: "Caching at a loss",
  caching_unused: "Caching not used",
  batch: "Batch prices",
  oversized_prompts: "Long prompts",
  unused_output_limit: "Output limits",
  price_cut: "Cheaper by now",
  retirement: "Retires soon",
};

export const CONFIDENCE: Record<Schema<"Optimization">["confidence"], { label: string; tone: Tone }> = {
  high: { label: "Sure", tone: "good" },
  medium: { label: "Likely", tone: "accent" },
  low: { label: "Unsure", tone: "neutral" },
};

export const CAUSES: Record<Schema<"AnomalyContributor">["cause"], string> = {
  calls: "more or fewer calls",
  tokens_per_call: "longer or shorter calls",
  cache_hit_rate: "more or less read from the cache",
  price: "another price",
  priced_share: "more or fewer calls with a price",
  new: "it is new",
  vanished: "it is gone",
};

export const LEFT_OUT: Record<Schema<"LeftOut">["reason"], string> = {
  unknown_tier: "nobody says where its vendor places it, so nothing can be called equal to it",
  unpriced_calls: "its calls have no price, so no saving can be known",
};

export const FORECASTS: Record<string, string> = {
  seasonal_naive: "As a week before",
  level: "Level, with a weekly season",
  holt_winters: "Trend, with a weekly season",
  damped_trend: "Fading trend, with a weekly season",
};

/** A number that advice rests on, by its name. */
export function evidence(name: string, value: number): readonly [name: string, value: string] {
  const words = name.replaceAll("_", " ");
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  if (/cost|price|savings/.test(name)) return [text, money(value)];
  if (/share|rate|discount/.test(name) && value <= 1) return [text, percent(value * 100)];
  return [text, decimal(value)];
}
