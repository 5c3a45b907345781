import { TriangleAlert } from "lucide-react";
import { count } from "@/format";
import { LinkButton } from "@/ui";

/** Says how many calls are in no total, and what to do about it; nothing if all have a price. */
export function UnpricedNotice({ calls }: { calls: number }) {
  if (calls === 0) return null;
  return (
    <div
      role="note"
      data-unpriced={calls}
      className="flex flex-wrap items-center gap-x-3 gap-y-2 rounded-xl border bg-warn-soft px-4 py-2.5 text-warn"
    >
      <TriangleAlert aria-hidden className="size-4 shrink-0" />
      <p className="min-w-0 flex-1 basis-52">
        <span className="font-medium">
          {count(calls)} {calls === 1 ? "call has" : "calls have"} no known price
        </span>{" "}
        and {calls === 1 ? "is" : "are"} in no total. Tell what the model costs, and they are counted.
      </p>
      <LinkButton size="sm" to="/app/settings/prices">
        Set a price
      </LinkButton>
    </div>
  );
}
