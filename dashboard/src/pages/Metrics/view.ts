/** The filters of the page, kept in the address. */

import { useMemo } from "react";
import type { Range } from "@/hooks/useRange";
import { rangeSearch } from "@/hooks/useRange";
import { useSearchState } from "@/hooks/useSearchState";

const DEFAULTS = { provider: "", model: "", project: "" };

export function useQualityView(range: Range) {
  const [state, set] = useSearchState(DEFAULTS);
  return useMemo(() => {
    const filters = {
      provider: state.provider || undefined,
      model: state.model || undefined,
      project: state.project || undefined,
    };
    return {
      state,
      set,
      query: { ...range.query, ...filters },
      /** Link to the calls of one day. */
      dayHref: (day: string, more: Readonly<Record<string, string>>) =>
        `/app/calls?${rangeSearch({ ...range, preset: "custom", start: day, end: day }, { ...state, ...more })}`,
      /** Link to the calls behind a figure. */
      callsHref: (more: Readonly<Record<string, string>> = {}) =>
        `/app/calls?${rangeSearch(range, { ...state, ...more })}`,
    };
  }, [state, set, range]);
}

export type QualityView = ReturnType<typeof useQualityView>;
