import type { LiveState } from "@/live";
import { useLiveState } from "@/live";
import { classes } from "@/utils/classes";
import { Tooltip } from "@/ui";

const STATES: Record<LiveState, { label: string; note: string; dot: string }> = {
  connecting: { label: "Connecting", note: "Waiting for the server", dot: "bg-line-strong" },
  live: { label: "Live", note: "Updates within a second", dot: "bg-bar-good" },
  polling: {
    label: "Every 5 s",
    note: "Live updates are not available; refreshing every 5 seconds",
    dot: "bg-bar-warn",
  },
  away: { label: "Offline", note: "The server does not respond; reconnecting", dot: "bg-bar-bad" },
};

/** Whether the page is up to date. */
export function LiveIndicator() {
  const state = useLiveState();
  const { label, note, dot } = STATES[state];
  return (
    <Tooltip text={note}>
      <button
        type="button"
        className="inline-flex cursor-default! items-center gap-2 rounded-full px-2 py-1 text-xs whitespace-nowrap font-medium text-muted"
        data-live={state}
      >
        <span aria-hidden className={classes("size-2 rounded-full", dot)} />
        <span role="status">{label}</span>
      </button>
    </Tooltip>
  );
}
