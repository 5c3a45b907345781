/** The state of the page, kept in its address. */

import { useMemo } from "react";
import type { Range } from "@/hooks/useRange";
import { rangeSearch } from "@/hooks/useRange";
import { useSearchState } from "@/hooks/useSearchState";

const DEFAULTS = {
  by: "model",
  key: "",
  provider: "",
  model: "",
  project: "",
  bucket: "",
  show: "total_cost",
  compare: true,
};

/** Undefined matches every call. */
export interface Filters {
  provider?: string;
  model?: string;
  project?: string;
}

export function useView() {
  const [state, setState] = useSearchState(DEFAULTS);
  const { provider, model, project } = state;
  return useMemo(() => {
    const filters: Filters = {
      provider: provider || undefined,
      model: model || undefined,
      project: project || undefined,
    };
    return {
      state,
      set: setState,
      filters,
      filtered: Object.values(filters).some((value) => value !== undefined),
      clear: () => setState({ provider: "", model: "", project: "" }),
    };
  }, [state, setState, provider, model, project]);
}

export type View = ReturnType<typeof useView>;

/** The calls with the same filters and range. */
export const callsHref = (range: Range, filters: Filters & { tag?: string }) =>
  `/app/calls?${rangeSearch(range, Object.fromEntries(Object.entries(filters).map(([name, value]) => [name, value ?? ""])))}`;
