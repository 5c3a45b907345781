import { X } from "lucide-react";
import type { Range } from "@/hooks/useRange";
import { ModelFilters } from "@/components/ModelFilters";
import { Button } from "@/ui";
import type { QualityView } from "./view";

/** Filters everything on the page except the feedback. */
export function Filters({ range, view }: { range: Range; view: QualityView }) {
  const { state, set } = view;
  const filtered = Object.values(state).some((value) => value !== "");
  return (
    <div
      role="search"
      aria-label="Filters"
      className="mb-4 grid grid-cols-1 items-end gap-x-3 gap-y-2.5 sm:grid-cols-[14rem_11rem_11rem_auto] sm:justify-start"
    >
      <ModelFilters range={range} chosen={state} set={set} />
      {filtered && (
        <Button
          look="ghost"
          icon={<X aria-hidden className="size-4" />}
          onClick={() => set({ provider: "", model: "", project: "" })}
        >
          Clear filters
        </Button>
      )}
    </div>
  );
}
