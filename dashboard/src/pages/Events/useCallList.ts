/** The calls of a question: what is loaded stays as it is, and new ones are told of or put on top. */

import { useCallback, useMemo, useState } from "react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { send, useGet, useSignedIn } from "@/api";
import type { Schema } from "@/api";
import type { CallQuery } from "./view";

type Call = Schema<"StoredEvent">;
type Page = Schema<"EventPage">;

/** How many calls a question brings. */
const PAGE = 100;

/** What was loaded when the list was left, so that coming back from a call leads to the same place. */
interface Left {
  question: string;
  anchor: Page;
  offset: number;
}
let left: Left | undefined;

const overlaps = (newer: Page, older: Page) => {
  const ids = new Set(newer.events.map((call) => call.event_id));
  return older.events.length === 0 || older.events.some((call) => ids.has(call.event_id));
};

/** The newer calls, then what the older ones have beyond them. */
function joined(newer: readonly Call[], older: readonly Call[]): readonly Call[] {
  const ids = new Set(newer.map((call) => call.event_id));
  return [...newer, ...older.filter((call) => !ids.has(call.event_id))];
}

/** Pages follow an anchor, the newest page when the list was opened. Only the newest page is asked again when calls
 * arrive: while the list is scrolled it is held as it was, and what it lacks is counted.
 */
export function useCallList(query: CallQuery) {
  const question = JSON.stringify(query);
  const { workspaceId } = useSignedIn();
  const [back] = useState(() => (left?.question === question ? left : undefined));
  const newest = useGet("/api/events", { query: { ...query, limit: PAGE } });
  const [held, setHeld] = useState<Page | undefined>(undefined);
  const [anchor, setAnchor] = useState<Page | undefined>(back?.anchor);

  const head = held ?? newest.data;
  // More arrived than a page holds: what lies between is not here, so the list begins anew.
  if (head && (!anchor || !overlaps(head, anchor))) setAnchor(head);

  const older = useInfiniteQuery({
    // Not the path itself: what is loaded need not be asked again whenever a call arrives.
    queryKey: [workspaceId, "older calls", { query, after: anchor?.next_cursor }],
    enabled: false,
    initialPageParam: anchor?.next_cursor ?? undefined,
    queryFn: ({ signal, pageParam }) =>
      send("get", "/api/events", { query: { ...query, limit: PAGE, cursor: pageParam }, signal }),
    getNextPageParam: (last: Page) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
  const pages = older.isPlaceholderData ? undefined : older.data?.pages;

  const calls = useMemo(
    () => joined(head?.events ?? [], joined(anchor?.events ?? [], pages?.flatMap((page) => page.events) ?? [])),
    [head, anchor, pages],
  );
  const waiting = useMemo(() => {
    if (!held || !newest.data) return { count: 0, more: false };
    const ids = new Set(calls.map((call) => call.event_id));
    const count = newest.data.events.filter((call) => !ids.has(call.event_id)).length;
    return { count, more: count === newest.data.events.length && newest.data.next_cursor !== null };
  }, [held, newest.data, calls]);

  const hasMore = pages ? older.hasNextPage : anchor !== undefined && anchor.next_cursor !== null;
  const { fetchNextPage, isFetching, isError } = older;
  const loadMore = useCallback(() => {
    if (hasMore && !isFetching) void fetchNextPage({ cancelRefetch: false });
  }, [hasMore, isFetching, fetchNextPage]);

  return {
    newest,
    calls,
    waiting,
    hasMore,
    loadingMore: isFetching,
    loadMore,
    /** What went wrong while loading more. */
    error: isError ? older.error : undefined,
    /** Whether the list is scrolled away from its top. */
    hold: useCallback(
      (scrolled: boolean) => setHeld((now) => (scrolled ? (now ?? newest.data) : undefined)),
      [newest.data],
    ),
    offset: back?.offset ?? 0,
    leave: useCallback(
      (offset: number) => {
        left = anchor && { question, anchor, offset };
      },
      [anchor, question],
    ),
  };
}
