/** What budgets are called in words. */

import type { Schema } from "@/api";
import { dateTime, fullDay } from "@/format";
import type { Tone } from "@/ui";

type Budget = Schema<"Budget">;
export type Period = Budget["period"];

export const PERIODS: Record<Period, string> = {
  daily: "Each day",
  weekly: "Each week",
  monthly: "Each month",
  quarterly: "Each quarter",
  yearly: "Each year",
  custom: "Some days, again and again",
};

export const STATUS: Record<Budget["status"], { label: string; tone: Tone }> = {
  ok: { label: "Within limit", tone: "good" },
  warning: { label: "Nearly used", tone: "warn" },
  exceeded: { label: "Exceeded", tone: "bad" },
};

export function periodText(budget: Budget) {
  if (budget.period !== "custom" || budget.starts_on === null) return PERIODS[budget.period];
  return `Every ${budget.days} days from ${fullDay(budget.starts_on)} on`;
}

export const until = (budget: Budget) => `until ${dateTime(budget.period_end)}`;

const SCOPES = { project: "Project", provider: "Provider", model: "Model", tag: "Tag", api_key: "API key" } as const;

/** What a budget counts, part by part; nothing if it counts all calls. Keys are called by their names. */
export function scopeParts(budget: Budget, keys: readonly Schema<"ApiKey">[] | undefined) {
  return Object.entries(SCOPES).flatMap(([part, label]) => {
    const value = budget.scope[part];
    if (value === undefined) return [];
    return [{ label, value: part === "api_key" ? (keys?.find((key) => key.id === value)?.name ?? value) : value }];
  });
}
