import { TriangleAlert } from "lucide-react";
import { count } from "@/format";
import { LinkButton } from "@/ui";

/** How many calls the totals leave out, and how to include them. Renders nothing if all have a price. */
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
          {count(calls)} {calls === 1 ? "call has" : "calls have"} no price
        </span>
        , so totals leave {calls === 1 ? "it" : "them"} out. Add a price to include them from now on.
      </p>
      <LinkButton size="sm" to="/app/settings/prices">
        Add a price
      </LinkButton>
    </div>
  );
}
