/** Hooks for queries and mutations. Answers are cached by path and input, and fetched again after a change. */

import {
  QueryClient,
  keepPreviousData,
  queryOptions,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { send } from "./client";
import { ApiError, AwayError } from "./errors";
import type { Answer, Input, Method, PathOf } from "./types";
import { getSession } from "./session";

/** Retries only errors that may be temporary. */
function retry(failures: number, error: Error) {
  if (error instanceof AwayError) return failures < 2;
  return error instanceof ApiError && [429, 502, 503, 504].includes(error.status) && failures < 3;
}

const retryDelay = (failures: number, error: Error) =>
  error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : Math.min(500 * 2 ** failures, 8000);

export const queryClient = new QueryClient({
  defaultOptions: {
    // The live connection invalidates queries.
    queries: { retry, retryDelay, staleTime: 60_000, refetchOnWindowFocus: false, placeholderData: keepPreviousData },
    mutations: { retry: false },
  },
});

/** The key of a query: workspace, path and input. */
export type Key = readonly [workspace: string, path: string, input: unknown];

function keyOf(path: string, input: unknown): Key {
  const session = getSession();
  return [session.status === "in" ? session.workspaceId : "", path, input ?? null];
}

type Args<M extends Method, P extends PathOf<M>> = object extends Input<M, P> ? [Input<M, P>?] : [Input<M, P>];

/** Query options for useQuery, prefetchQuery and others. */
export function question<P extends PathOf<"get">>(path: P, ...[input]: Args<"get", P>) {
  return queryOptions({
    queryKey: keyOf(path, input),
    queryFn: ({ signal }): Promise<Answer<"get", P>> =>
      (send as (m: "get", p: P, i: unknown) => Promise<Answer<"get", P>>)("get", path, { ...input, signal }),
  });
}

interface Asking {
  /** Interval (ms) for data that the live connection does not invalidate. */
  refetchInterval?: number;
}

/** Queries a path: `useGet("/api/costs/summary", { query: { days: 30, tz } })`. */
export function useGet<P extends PathOf<"get">>(path: P, ...args: [...Args<"get", P>, Asking?]) {
  const [input, asking] = args as [...Args<"get", P>, Asking?] & [Args<"get", P>[0], Asking?];
  return useQuery({
    ...(question as (path: P, input?: unknown) => ReturnType<typeof question<P>>)(path, input),
    ...asking,
  });
}

/** Queries only when `enabled`. */
export function useGetIf<P extends PathOf<"get">>(enabled: boolean, path: P, ...args: Args<"get", P>) {
  return useQuery({ ...question(path, ...args), enabled });
}

type Paged = {
  [P in PathOf<"get">]: Answer<"get", P> extends { next_cursor?: string | null } ? P : never;
}[PathOf<"get">];

/** Queries a list page by page; `data.pages` holds the answers, `fetchNextPage` loads the next. */
export function usePages<P extends Paged>(path: P, ...[input]: Args<"get", P>) {
  return useInfiniteQuery({
    queryKey: keyOf(path, { pages: input ?? null }),
    initialPageParam: undefined as string | undefined,
    queryFn: ({ signal, pageParam }): Promise<Answer<"get", P>> => {
      const { query, ...rest } = (input ?? {}) as { query?: object };
      return (send as (m: "get", p: P, i: unknown) => Promise<Answer<"get", P>>)("get", path, {
        ...rest,
        query: { ...query, cursor: pageParam },
        signal,
      });
    },
    getNextPageParam: (last) => (last as { next_cursor?: string | null }).next_cursor ?? undefined,
  });
}

/** Changes something: `const create = useSend("post", "/api/keys"); create.mutate({ body })`.
 *
 * Afterwards everything under the same collection and under `also` is fetched again.
 */
export function useSend<M extends Exclude<Method, "get">, P extends PathOf<M>>(
  method: M,
  path: P,
  { also = [] }: { also?: string[] } = {},
) {
  const client = useQueryClient();
  return useMutation<Answer<M, P>, Error, Input<M, P>>({
    mutationFn: (input) => (send as (m: M, p: P, i: unknown) => Promise<Answer<M, P>>)(method, path, input),
    onSuccess: () => invalidate(client, [collection(path), ...also]),
  });
}

/** "/api/keys/{key_id}" belongs to "/api/keys". */
const collection = (path: string) => path.split("/").slice(0, 3).join("/");

/** Fetches the visible queries under these paths again; others are fetched when next shown. */
export function invalidate(client: QueryClient, prefixes: readonly string[]) {
  return client.invalidateQueries({
    predicate: ({ queryKey }) => prefixes.some((prefix) => String(queryKey[1]).startsWith(prefix)),
  });
}
