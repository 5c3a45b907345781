/** The list of calls: loaded rows stay in place, new ones are counted or added on top. */

import { useCallback, useMemo, useState } from "react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { send, useGet, useSignedIn } from "@/api";
import type { Schema } from "@/api";
import type { CallQuery } from "./view";

type Call = Schema<"StoredEvent">;
type Page = Schema<"EventPage">;

/** Calls per page. */
const PAGE = 100;

/** The loaded rows and scroll position, restored on coming back from a call. */
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

/** The newer calls, then the older ones that are not among them. */
function joined(newer: readonly Call[], older: readonly Call[]): readonly Call[] {
  const ids = new Set(newer.map((call) => call.event_id));
  return [...newer, ...older.filter((call) => !ids.has(call.event_id))];
}

/** Pages follow an anchor, the newest page when the list was opened. When calls arrive, only the newest page is fetched
 * again: a scrolled list stays in place, and new calls are counted.
 */
export function useCallList(query: CallQuery) {
  const question = JSON.stringify(query);
  const { workspaceId } = useSignedIn();
  const [back] = useState(() => (left?.question === question ? left : undefined));
  const newest = useGet("/api/events", { query: { ...query, limit: PAGE } });
  const [held, setHeld] = useState<Page | undefined>(undefined);
  const [anchor, setAnchor] = useState<Page | undefined>(back?.anchor);

  const head = held ?? newest.data;
  // More arrived than fit on a page: the calls in between are missing, so the list starts over.
  if (head && (!anchor || !overlaps(head, anchor))) setAnchor(head);

  const older = useInfiniteQuery({
    // Not the path itself: loaded pages are not fetched again when a call arrives.
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
    /** The error of loading more. */
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
