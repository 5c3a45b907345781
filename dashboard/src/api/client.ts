/** Requests to the API, typed by its OpenAPI document. */

import createClient from "openapi-fetch";
import { ApiError, AwayError, problemOf } from "./errors";
import type { paths } from "./schema";
import { API_URL, accessToken, getSession, refresh } from "./session";
import type { Answer, Input, Method, PathOf } from "./types";

/** The rate limit: requests left, and when it resets (ms since 1970). */
export const allowance = { remaining: Infinity, limit: Infinity, resetsAt: 0 };

/** Fetches with the caller's token and workspace; renews the session once on a 401. */
export async function authorized(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await once(request, await tokenNow());
  if (response.status !== 401 || !(await renewed())) return response;
  return once(again, await tokenNow());
}

async function once(request: Request, token: string | undefined): Promise<Response> {
  const session = getSession();
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  if (session.status === "in" && !request.headers.has("X-Workspace-Id")) {
    request.headers.set("X-Workspace-Id", session.workspaceId);
  }
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new AwayError();
  }
  note(response.headers);
  return response;
}

async function tokenNow() {
  try {
    return await accessToken();
  } catch (error) {
    throw error instanceof ApiError ? error : new AwayError();
  }
}

async function renewed() {
  try {
    return await refresh();
  } catch (error) {
    throw error instanceof ApiError ? error : new AwayError();
  }
}

function note(headers: Headers) {
  const limit = headers.get("X-RateLimit-Limit");
  if (limit === null) return;
  allowance.limit = Number(limit);
  allowance.remaining = Number(headers.get("X-RateLimit-Remaining"));
  allowance.resetsAt = Number(headers.get("X-RateLimit-Reset")) * 1000;
}

const client = createClient<paths>({ baseUrl: API_URL || window.location.origin, fetch: authorized });

interface Options {
  query?: unknown;
  path?: unknown;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** Sends a request and returns the answer. Throws ApiError, or AwayError if there is no answer. */
export async function send<M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  ...[input]: object extends Input<M, P> ? [(Input<M, P> & Options)?] : [Input<M, P> & Options]
): Promise<Answer<M, P>> {
  const { query, path: names, body, signal, headers } = input ?? {};
  // openapi-fetch types each path separately and cannot follow a generic path.
  const request = client.request as unknown as (
    method: string,
    path: string,
    options: object,
  ) => Promise<{ data?: unknown; response: Response; error?: unknown }>;
  const { response, ...result } = await request(method, path, {
    params: { query, path: names },
    body,
    signal,
    headers,
  });
  if (response.ok) return result.data as Answer<M, P>;
  const after = Number(response.headers.get("Retry-After"));
  const problem = isProblem(result.error) ? result.error : await problemOf(new Response(null, response));
  throw new ApiError(problem, after > 0 ? after : undefined);
}

function isProblem(error: unknown): error is ApiError["problem"] {
  return typeof error === "object" && error !== null && "detail" in error && "status" in error;
}

/** Fetches a file and hands it to the browser to save. */
export async function download(path: string, query: Record<string, string | undefined>, fallbackName: string) {
  const url = new URL(path, API_URL || window.location.origin);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  const response = await authorized(new Request(url));
  if (!response.ok) throw new ApiError(await problemOf(response));
  const named = /filename="?([^";]+)/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = named ?? fallbackName;
  link.click();
  URL.revokeObjectURL(address);
}
