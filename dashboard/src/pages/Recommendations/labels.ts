/** Labels for values of the API. */

import type { Schema } from "@/api";

export const CAUSES: Record<Schema<"AnomalyContributor">["cause"], string> = {
  calls: "call volume",
  tokens_per_call: "call size",
  cache_hit_rate: "cache hits",
  price: "price",
  priced_share: "priced share",
  new: "new",
  vanished: "ended",
};

export const LEFT_OUT: Record<Schema<"LeftOut">["reason"], string> = {
  unknown_tier: "its tier is unknown",
  unpriced_calls: "its calls have no price",
};

export const FORECASTS: Record<string, string> = {
  seasonal_naive: "Same day last week",
  level: "Weekly pattern",
  holt_winters: "Weekly pattern with trend",
  damped_trend: "Weekly pattern with damped trend",
};
