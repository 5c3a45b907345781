/** The addresses of what Advice says, so that other pages can point at it: `/app/advice#` and one of these. */

import type { Schema } from "@/api";

const slug = (...parts: (string | null)[]) =>
  parts
    .map((part) => (part ?? "all").toLowerCase().replace(/[^a-z0-9.]+/g, "-"))
    .join("_");

/** One for each model that another could take the place of. */
export const switchAnchor = (one: Pick<Schema<"ModelSwitch">, "provider" | "current_model">) =>
  slug("switch", one.provider, one.current_model);

export const optimizationAnchor = (one: Pick<Schema<"Optimization">, "type" | "provider" | "model" | "project">) =>
  slug("saving", one.type, one.provider, one.model, one.project);

export const anomalyAnchor = (one: Pick<Schema<"Anomaly">, "start" | "kind" | "about">) =>
  slug("anomaly", one.kind, one.start, one.about);
