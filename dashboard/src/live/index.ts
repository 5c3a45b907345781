/** One connection that reports changes, so that only outdated data is fetched again. */

import { useEffect, useSyncExternalStore } from "react";
import { allowance, authorized } from "@/api/client";
import { invalidate, queryClient } from "@/api/query";
import { API_URL, useSignedIn } from "@/api/session";
import { KINDS } from "./kinds";
import { serverSentEvents } from "./stream";

/** live: updates within a second. polling: every five seconds. away: the server does not answer. */
export type LiveState = "connecting" | "live" | "polling" | "away";

const AT_MOST_EVERY_MS = 500;
const POLL_MS = 5000;
/** Time after which an open stream counts as connected, since it may stay silent at first. */
const OPEN_MS = 300;
/** Silence after which the connection counts as lost. The server sends a heartbeat every 15 seconds. */
const SILENT_MS = 40_000;
const LONGEST_WAIT_MS = 5000;
/** Tolerance for the Date header, which has whole seconds. */
const CLOCK_MS = 2000;

let state: LiveState = "connecting";
const listeners = new Set<() => void>();

function setState(next: LiveState) {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

/** The state of the connection. */
export const useLiveState = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );

/** Keeps the page up to date while it is open. Used once, by the layout. */
export function useLive() {
  const { workspaceId } = useSignedIn();
  useEffect(() => {
    const stopping = new AbortController();
    void follow(stopping.signal);
    return () => stopping.abort();
  }, [workspaceId]);
}

async function follow(stop: AbortSignal) {
  const refresher = new Refresher(stop);
  let lastId: string | undefined;
  let failures = 0;
  setState("connecting");
  while (!stop.aborted) {
    const connection = new AbortController();
    const abort = () => connection.abort();
    stop.addEventListener("abort", abort);
    let silence = setTimeout(abort, SILENT_MS);
    let opening: ReturnType<typeof setTimeout> | undefined;
    let reached = false;
    try {
      const headers: Record<string, string> = lastId === undefined ? {} : { "Last-Event-ID": lastId };
      const url = `${API_URL || window.location.origin}/api/stream`;
      const response = await authorized(new Request(url, { headers, signal: connection.signal }));
      reached = true;
      if (response.ok && response.body) {
        opening = setTimeout(() => setState("live"), OPEN_MS);
        if (failures > 0) void queryClient.refetchQueries({ predicate: ({ state }) => state.status === "error" });
        for await (const message of serverSentEvents(response.body)) {
          clearTimeout(silence);
          silence = setTimeout(abort, SILENT_MS);
          failures = 0;
          setState("live");
          if (!message) continue;
          lastId = message.id;
          const { what, changed_at } = JSON.parse(message.data) as { what: string[]; changed_at: string };
          if (message.event !== "hello") refresher.changed(what);
          else if (!isOlderThanPage(changed_at, response)) refresher.everything();
        }
      }
    } catch {
      // Any error is handled the same way: reconnect.
    } finally {
      clearTimeout(silence);
      clearTimeout(opening);
      stop.removeEventListener("abort", abort);
      connection.abort();
    }
    if (isStopped(stop)) return;
    failures += 1;
    // A regular end is not shown; the next attempt usually succeeds.
    if (failures > 1 || !reached) setState(reached ? "polling" : "away");
    if (failures > 1 && reached) {
      refresher.everything();
      await sleep(POLL_MS, stop);
    } else {
      await sleep(Math.min(300 * 2 ** failures, LONGEST_WAIT_MS), stop);
    }
  }
}

/** Whether nothing has changed since the page was opened. */
function isOlderThanPage(changedAt: string, response: Response) {
  const now = Date.parse(response.headers.get("date") ?? "");
  return now - CLOCK_MS - Date.parse(changedAt) > performance.now();
}

/** Fetches again at most every half second, and more slowly as the rate limit runs out. */
class Refresher {
  private readonly waiting = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  constructor(private readonly stop: AbortSignal) {
    stop.addEventListener("abort", () => clearTimeout(this.timer));
  }

  everything() {
    this.add(["/"]);
  }

  changed(kinds: readonly string[]) {
    this.add(kinds.flatMap((kind) => KINDS[kind] ?? ["/"]));
  }

  private add(prefixes: readonly string[]) {
    for (const prefix of prefixes) this.waiting.add(prefix);
    this.timer ??= setTimeout(() => void this.run(), Math.max(0, this.last + interval() - Date.now()));
  }

  private async run() {
    const prefixes = [...this.waiting];
    this.waiting.clear();
    if (!document.hidden) await invalidate(queryClient, prefixes);
    else await untilShown(this.stop).then(() => invalidate(queryClient, prefixes));
    this.last = Date.now();
    this.timer = undefined;
    if (this.waiting.size && !this.stop.aborted) this.add([]);
  }
}

/** Spreads the remaining requests over the time until the rate limit resets. */
function interval() {
  const shown = Math.max(1, queryClient.getQueryCache().findAll({ type: "active" }).length);
  const spare = allowance.remaining - allowance.limit * 0.25;
  if (!Number.isFinite(spare) || spare > allowance.limit * 0.25) return AT_MOST_EVERY_MS;
  const left = Math.max(0, allowance.resetsAt - Date.now());
  return Math.min(POLL_MS * 2, Math.max(AT_MOST_EVERY_MS, spare <= shown ? left : (left * shown) / spare));
}

/** A hidden page is updated when it is shown again. */
function untilShown(stop: AbortSignal) {
  return new Promise<void>((done) => {
    const look = () => {
      if (!document.hidden || stop.aborted) {
        document.removeEventListener("visibilitychange", look);
        done();
      }
    };
    document.addEventListener("visibilitychange", look);
    stop.addEventListener("abort", look);
  });
}

// A function, so that the compiler does not narrow the value across an await.
const isStopped = (stop: AbortSignal) => stop.aborted;

function sleep(ms: number, stop: AbortSignal) {
  return new Promise<void>((done) => {
    const timer = setTimeout(done, ms);
    stop.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}
