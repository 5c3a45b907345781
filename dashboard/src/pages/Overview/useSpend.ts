import { useGet, useGetIf } from "@/api";
import { bucketOf, isSplit } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { useSearchState } from "@/hooks/useSearchState";

const DEFAULTS = { by: "model", key: "" };
/** More colors would be hard to tell apart. */
const NAMES = 8;

/** Spend over time, grouped as the address says. Nothing is requested for tags until a tag key is known. */
export function useSpend(range: Range) {
  const [state, set] = useSearchState(DEFAULTS);
  const by = isSplit(state.by) ? state.by : "model";
  const keys = useGet("/api/costs/tag-keys").data?.keys;
  const key = by === "tag" ? state.key || keys?.[0] : undefined;
  const series = useGetIf(by !== "tag" || key !== undefined, "/api/costs/timeseries", {
    query: { ...range.query, bucket: bucketOf(range), by, key, limit: NAMES },
  });
  return { by, key, keys: keys ?? [], noTags: by === "tag" && keys?.length === 0 && key === undefined, series, set };
}

export type Spend = ReturnType<typeof useSpend>;
