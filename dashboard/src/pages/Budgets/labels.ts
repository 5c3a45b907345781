/** Labels of budgets. */

import type { Schema } from "@/api";
import { dayIn, fullDay } from "@/format";
import { providerName } from "@/format/providers";
import type { Tone } from "@/ui";

type Budget = Schema<"Budget">;
export type Period = Budget["period"];

export const PERIODS: Record<Period, string> = {
  daily: "Daily",
  weekly: "Weekly",
  monthly: "Monthly",
  quarterly: "Quarterly",
  yearly: "Yearly",
  custom: "Every N days",
};

export const STATUS: Record<Budget["status"], { label: string; tone: Tone }> = {
  ok: { label: "Within limit", tone: "good" },
  warning: { label: "Almost at limit", tone: "warn" },
  exceeded: { label: "Exceeded", tone: "bad" },
};

export function periodText(budget: Budget) {
  if (budget.period !== "custom" || budget.starts_on === null) return PERIODS[budget.period];
  return `Every ${budget.days} days from ${fullDay(budget.starts_on)}`;
}

export const resetText = ({ period_end, tz }: Budget) => `resets ${dayIn(period_end, tz)}`;

const SCOPES = { project: "Project", provider: "Provider", model: "Model", tag: "Tag", api_key: "API key" } as const;

/** The scope of a budget, part by part; empty if it applies to all calls. API keys are shown by name. */
export function scopeParts(budget: Budget, keys: readonly Schema<"ApiKey">[] | undefined) {
  return Object.entries(SCOPES).flatMap(([part, label]) => {
    const value = budget.scope[part];
    if (value === undefined) return [];
    if (part === "api_key") return [{ label, value: keys?.find((key) => key.id === value)?.name ?? value }];
    return [{ label, value: part === "provider" ? providerName(value) : value }];
  });
}
