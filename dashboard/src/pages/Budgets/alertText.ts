/** What an alert says. */

import type { Schema } from "@/api";
import { count, decimal, fullDay, money, percent } from "@/format";

type Alert = Schema<"Alert">;

export const KINDS: Record<Alert["kind"], string> = {
  budget: "Budget",
  unpriced_model: "No price",
  anomaly: "Unusual",
  digest: "Digest",
  test: "Test",
};

/** A line and, below it, what there is to know about it. */
export function alertText(alert: Alert): { title: string; note?: string } {
  const { subject, details } = alert;
  switch (alert.kind) {
    case "budget":
      return {
        title: `${subject} reached ${percent(alert.threshold)} of its limit`,
        ...(alert.spend !== null && { note: `${money(alert.spend)} were spent` }),
      };
    case "unpriced_model":
      return {
        title: `${subject} has no known price`,
        note: "Its calls are in no total until you set a price of your own",
      };
    case "anomaly":
      return {
        title: `${subject} cost far more than usual`,
        ...(isAnomaly(details) && {
          note: `${money(details.cost)} on ${fullDay(details.date)}, where ${money(details.expected_cost)} were to be expected (${decimal(details.z_score)} standard deviations)`,
        }),
      };
    case "digest":
      return isDigest(details)
        ? { title: `${money(details.cost)} ${daysOf(details)}`, note: digestNote(details) }
        : { title: `The ${subject} digest` };
    case "test":
      return { title: `Test of the channel ${subject}` };
  }
}

const isAnomaly = (details: Alert["details"]): details is Schema<"AnomalyDetails"> => "expected_cost" in details;
const isDigest = (details: Alert["details"]): details is Schema<"DigestDetails"> => "previous_cost" in details;

const daysOf = ({ start, end }: Schema<"DigestDetails">) =>
  start === end ? `on ${fullDay(start)}` : `from ${fullDay(start)} to ${fullDay(end)}`;

const digestNote = (digest: Schema<"DigestDetails">) =>
  [
    `${count(digest.calls)} calls, ${money(digest.previous_cost)} before`,
    digest.unpriced_calls > 0 && `${count(digest.unpriced_calls)} unpriced`,
  ]
    .filter(Boolean)
    .join(" · ");
