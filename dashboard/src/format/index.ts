/** Numbers and times in the reader's locale, and money as in the sentences of the server, so that a page has one form. */

const locale = typeof navigator === "undefined" ? "en" : navigator.language;

/** The reader's time zone, for every request that takes `tz`. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const number = (options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options);
const usd = (options: Intl.NumberFormatOptions) =>
  new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", ...options });
const wholeCents = usd({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const smallSums = usd({ minimumSignificantDigits: 2, maximumSignificantDigits: 2 });
const preciseSums = usd({ minimumFractionDigits: 2, maximumFractionDigits: 12 });
const compactSums = usd({ notation: "compact", maximumSignificantDigits: 3 });
const counts = number({ maximumFractionDigits: 0 });
const compactCounts = number({ notation: "compact", maximumSignificantDigits: 3 });
const decimals = number({ maximumFractionDigits: 2 });
const percents = number({ style: "percent", maximumFractionDigits: 1 });
const changes = number({ style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });

/** Shown for a cost without a known price, which is never 0. */
export const UNPRICED = "unpriced";
/** Shown for a missing value. */
export const NOTHING = "–";

/** US dollars: `$1,234.50`, small ones as `$0.00042`, and `unpriced` for null. */
export function money(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNPRICED;
  const size = Math.abs(value);
  return size > 0 && size < 0.1 ? smallSums.format(value) : wholeCents.format(value);
}

/** All digits the server stores. */
export const exactMoney = (value: number | null | undefined) =>
  value === null || value === undefined ? UNPRICED : preciseSums.format(value);

/** Short, for axes: `$1.2K`. */
export const shortMoney = (value: number) => (Math.abs(value) >= 1000 ? compactSums.format(value) : money(value));

/** Two amounts as a range: `$1.07 – $2.30`. */
export const moneyRange = (low: number, high: number) => `${money(low)} – ${money(high)}`;

/** A difference with its sign. */
export const moneyChange = (value: number) => (value > 0 ? `+${money(value)}` : money(value));

export const count = (value: number | null | undefined) =>
  value === null || value === undefined ? NOTHING : counts.format(value);

/** Short, for tokens and large counts: `1.25M`. */
export const short = (value: number | null | undefined) =>
  value === null || value === undefined ? NOTHING : value < 10_000 ? counts.format(value) : compactCounts.format(value);

export const decimal = (value: number | null | undefined) =>
  value === null || value === undefined ? NOTHING : decimals.format(value);

/** From 0..100, as the API returns percentages. */
export const percent = (value: number | null | undefined) =>
  value === null || value === undefined ? NOTHING : percents.format(value / 100);

/** A change with its sign, from 0..100. */
export const percentChange = (value: number) => changes.format(value / 100);

/** Milliseconds as `320 ms`, `4.2 s` or `3 min`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOTHING;
  const unit = (value: number, name: string, digits: number) =>
    number({ style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
  if (ms < 1000) return unit(ms, "millisecond", ms < 10 ? 1 : 0);
  return ms < 60_000 ? unit(ms / 1000, "second", ms < 10_000 ? 2 : 1) : unit(ms / 60_000, "minute", 1);
}

type When = string | number | Date;
const time = (options: Intl.DateTimeFormatOptions) => {
  const format = new Intl.DateTimeFormat(locale, options);
  return (at: When | null | undefined) => (at ? format.format(new Date(at)) : NOTHING);
};

/** `5 Mar 2026, 14:02` */
export const dateTime = time({ dateStyle: "medium", timeStyle: "short" });
/** `5 Mar 2026, 14:02:09`, for lists with several entries a minute. */
export const dateTimeSeconds = time({ dateStyle: "medium", timeStyle: "medium" });
/** With seconds and time zone. */
export const exactTime = time({ dateStyle: "medium", timeStyle: "long" });
/** `5 Mar 2026` */
export const date = time({ dateStyle: "medium" });
/** `5 Mar` */
export const shortDate = time({ day: "numeric", month: "short" });
export const month = time({ month: "long", year: "numeric" });
export const monthName = time({ month: "long" });
/** `5 Mar` in the given time zone. */
export const dayIn = (at: When, zone: string) => time({ day: "numeric", month: "short", timeZone: zone })(at);
export const hour = time({ weekday: "short", hour: "numeric", minute: "2-digit" });

/** A calendar day such as "2026-03-05", which has no time zone. */
export const day = (value: string) => shortDate(`${value}T00:00:00`);
export const fullDay = (value: string) => date(`${value}T00:00:00`);

const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });

/** `3 min. ago` */
export function ago(at: When | null | undefined, now = Date.now()): string {
  if (!at) return "never";
  const seconds = (new Date(at).getTime() - now) / 1000;
  const size = Math.abs(seconds);
  if (size < 45) return relative.format(Math.round(seconds), "second");
  if (size < 2700) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 64_800) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

/** The calendar day of a moment in the reader's time zone, as "2026-03-05". */
export function isoDay(at: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
