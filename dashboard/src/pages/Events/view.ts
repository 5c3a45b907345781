/** The filters of the list, kept in the address. */

import { useMemo } from "react";
import type { Input } from "@/api";
import { moments } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { useSearchState } from "@/hooks/useSearchState";

export type CallQuery = NonNullable<Input<"get", "/api/events">["query"]>;

export const STATUSES = [
  { value: "success", label: "Success" },
  { value: "error", label: "Error" },
  { value: "timeout", label: "Timeout" },
] as const;

export const VIOLATIONS = [
  { value: "model_disabled", label: "Disabled model" },
  { value: "token_limit", label: "Token limit" },
] as const;

const DEFAULTS = { provider: "", model: "", project: "", status: "", tag: "", policy_violation: "" };

/** The choice with this value, if there is one. */
const oneOf = <T extends string>(choices: readonly { value: T }[], text: string) =>
  choices.find(({ value }) => value === text)?.value;

export function useCallsView(range: Range) {
  const [state, set] = useSearchState(DEFAULTS);
  const { start, end } = range;
  return useMemo(() => {
    const query: CallQuery = {
      ...moments({ preset: "custom", start, end }),
      provider: state.provider || undefined,
      model: state.model || undefined,
      project: state.project || undefined,
      status: oneOf(STATUSES, state.status),
      tag: state.tag || undefined,
      policy_violation: oneOf(VIOLATIONS, state.policy_violation),
    };
    return {
      state,
      set,
      query,
      filtered: Object.values(state).some((value) => value !== ""),
      clear: () => set(DEFAULTS),
    };
  }, [state, set, start, end]);
}

export type CallsView = ReturnType<typeof useCallsView>;
