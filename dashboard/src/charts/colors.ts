/** Colors of series: one for each name, the same on every chart and page. */

const COUNT = 12;
const OTHER = "var(--series-other)";
const slots = new Map<string, number>();
const uses = Array.from({ length: COUNT }, () => 0);

function hash(name: string) {
  let value = 2166136261;
  for (const letter of name) value = Math.imul(value ^ (letter.codePointAt(0) ?? 0), 16777619);
  return value >>> 0;
}

/** The color of a model, a provider, a project or a tag's value; grey for none and for "Other". */
export function colorOf(name: string | null): string {
  if (name === null || name === "" || name === "Other") return OTHER;
  let slot = slots.get(name);
  if (slot === undefined) {
    const wished = hash(name) % COUNT;
    const fewest = Math.min(...uses);
    slot = wished;
    while ((uses[slot] ?? 0) > fewest) slot = (slot + 1) % COUNT;
    uses[slot] = (uses[slot] ?? 0) + 1;
    slots.set(name, slot);
  }
  return `var(--series-${slot + 1})`;
}
