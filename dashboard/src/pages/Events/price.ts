/** Descriptions of the source of a price. */

export interface PriceSource {
  text: string;
  note?: string;
  /** It can be changed in the settings. */
  own?: boolean;
}

/** Describes the `pricing` of a call. */
export function priceSource(pricing: string): PriceSource {
  if (pricing === "unpriced")
    return { text: "No price", note: "Totals leave this call out until it has a price.", own: true };
  if (pricing === "caller") return { text: "Sent with the call", note: "Cost supplied by the sender." };
  if (pricing.startsWith("own:")) return { text: "Custom price", note: pricing.slice(4), own: true };
  const listed = /^([^@]+)@([^:]+):(.+)$/.exec(pricing);
  if (!listed) return { text: pricing };
  const [, list, version, entry] = listed;
  return list === "corrections"
    ? { text: "LLMLab correction to the price list", note: `${entry ?? ""}, ${version ?? ""}` }
    : { text: `Price list ${list ?? ""} ${version ?? ""}`, note: entry };
}

/** Why the rates of a call are not shown. */
export function whyNoRates(pricing: string): string {
  if (pricing === "unpriced") return "This call has no price.";
  if (pricing === "caller") return "The cost was sent with the call, so no rates apply.";
  return "Today’s rates no longer add up to this cost: the price changed, or the provider billed tokens not listed here.";
}
