/** Anchors of the recommendations, for links from other pages: `/app/advice#` and one of these, or one of TABS. */

import type { Schema } from "@/api";

const slug = (...parts: (string | null)[]) =>
  parts.map((part) => (part ?? "all").toLowerCase().replace(/[^a-z0-9.]+/g, "-")).join("_");

/** One for each model with a suggested replacement. */
export const switchAnchor = (one: Pick<Schema<"ModelSwitch">, "provider" | "current_model">) =>
  slug("switch", one.provider, one.current_model);

export const optimizationAnchor = (one: Pick<Schema<"Optimization">, "type" | "provider" | "model" | "project">) =>
  slug("saving", one.type, one.provider, one.model, one.project);

export const anomalyAnchor = (one: Pick<Schema<"Anomaly">, "start" | "kind" | "about">) =>
  slug("anomaly", one.kind, one.start, one.about);

export const TABS = ["models", "savings", "forecast", "anomalies"] as const;
export type Tab = (typeof TABS)[number];

/** The tab that shows an anchor. */
export function tabOf(anchor: string): Tab | undefined {
  if (anchor.startsWith("switch_")) return "models";
  if (anchor.startsWith("saving_")) return "savings";
  if (anchor.startsWith("anomaly_")) return "anomalies";
  return TABS.find((tab) => tab === anchor);
}
