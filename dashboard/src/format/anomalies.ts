/** Labels of anomalies. */

import type { Schema } from "@/api";
import type { Tone } from "@/ui";

export const ANOMALIES: Record<Schema<"Anomaly">["kind"], { label: string; tone: Tone }> = {
  spike: { label: "Spike", tone: "bad" },
  drop: { label: "Drop", tone: "neutral" },
  level_shift: { label: "New level", tone: "warn" },
  stop: { label: "Stopped", tone: "neutral" },
  new_model: { label: "New model", tone: "accent" },
  new_project: { label: "New project", tone: "accent" },
  errors: { label: "Errors", tone: "bad" },
  outage: { label: "Outage", tone: "bad" },
};
