/** Where a price came from, in words. */

export interface PriceSource {
  text: string;
  note?: string;
  /** The reader can do something about it in the settings. */
  own?: boolean;
}

/** Says what `pricing` of a call means. */
export function priceSource(pricing: string): PriceSource {
  if (pricing === "unpriced")
    return { text: "No price is known", note: "The call is in no sum until it has one.", own: true };
  if (pricing === "caller") return { text: "Sent with the call", note: "Whoever sent the call said what it cost." };
  if (pricing.startsWith("own:")) return { text: "A price of your own", note: pricing.slice(4), own: true };
  const listed = /^([^@]+)@([^:]+):(.+)$/.exec(pricing);
  if (!listed) return { text: pricing };
  const [, list, version, entry] = listed;
  return list === "corrections"
    ? { text: "A price LLMLab adds to the price list", note: `${entry ?? ""}, ${version ?? ""}` }
    : { text: `Price list ${list ?? ""} ${version ?? ""}`, note: entry };
}

/** Why the rates of a call are not shown. */
export function whyNoRates(pricing: string): string {
  if (pricing === "unpriced") return "No price is known for this call.";
  if (pricing === "caller") return "The cost was sent with the call, so there are no rates behind it.";
  return "The price has changed since, or the vendor counted more than these tokens: the rates of today do not make up this cost.";
}
