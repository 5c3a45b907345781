/** The text of alerts. */

import type { Schema } from "@/api";
import { count, decimal, fullDay, money, percent } from "@/format";

type Alert = Schema<"Alert">;

export const KINDS: Record<Alert["kind"], string> = {
  budget: "Budget",
  unpriced_model: "No price",
  anomaly: "Anomaly",
  digest: "Digest",
  refused_calls: "Refused calls",
  test: "Test",
};

/** The title and the details of an alert. */
export function alertText(alert: Alert): { title: string; note?: string } {
  const { subject, details } = alert;
  switch (alert.kind) {
    case "budget":
      return {
        title: `${subject} reached ${percent(alert.threshold)} of its limit`,
        ...(alert.spend !== null && { note: `${money(alert.spend)} spent` }),
      };
    case "unpriced_model":
      return {
        title: `${subject} has no price`,
        note: "Totals leave its calls out until you add a price",
      };
    case "anomaly":
      return {
        title: `${subject} cost far more than usual`,
        ...(isAnomaly(details) && {
          note: `${money(details.cost)} on ${fullDay(details.date)} instead of the expected ${money(details.expected_cost)} (${decimal(details.z_score)} standard deviations)`,
        }),
      };
    case "digest":
      return isDigest(details)
        ? { title: `${money(details.cost)} ${daysOf(details)}`, note: digestNote(details) }
        : { title: `${subject.charAt(0).toUpperCase()}${subject.slice(1)} digest` };
    case "refused_calls":
      return {
        title: "Calls were refused by the ingest limit; they may be lost",
        note: `The workspace sent more ${subject === "ingest_bytes" ? "bytes" : "events"} per minute than the server takes; the page of the API keys shows which were refused`,
      };
    case "test":
      return { title: `Test of channel ${subject}` };
  }
}

const isAnomaly = (details: Alert["details"]): details is Schema<"AnomalyDetails"> => "expected_cost" in details;
const isDigest = (details: Alert["details"]): details is Schema<"DigestDetails"> => "previous_cost" in details;

const daysOf = ({ start, end }: Schema<"DigestDetails">) =>
  start === end ? `on ${fullDay(start)}` : `from ${fullDay(start)} to ${fullDay(end)}`;

const digestNote = (digest: Schema<"DigestDetails">) =>
  [
    `${count(digest.calls)} calls, ${money(digest.previous_cost)} in the previous period`,
    digest.unpriced_calls > 0 && `${count(digest.unpriced_calls)} unpriced`,
  ]
    .filter(Boolean)
    .join(" · ");
