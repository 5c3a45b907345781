/** The session. The access token is kept in memory only; the refresh token is a cookie no script can read. */

import { useSyncExternalStore } from "react";
import type { Schema } from "./types";
import { ApiError, AwayError, problemOf } from "./errors";
import { getCookie, setCookie } from "@/utils/cookies";

/** Where the API is: this server, unless the pages are served from elsewhere. */
export const API_URL = ((import.meta.env.VITE_API_URL as string | undefined) ?? "").replace(/\/+$/, "");

/** The API address for applications. */
export const serverUrl = () => API_URL || window.location.origin;

export type User = Schema<"User">;

export type Session =
  /** The server has not been asked yet. */
  | { status: "starting" }
  /** The server cannot be reached. */
  | { status: "away"; error: Error }
  /** Never signed in, or signed out. */
  | { status: "out" }
  /** Was signed in, and the session has ended on the server. */
  | { status: "over" }
  | { status: "in"; user: User; workspaceId: string };

const WORKSPACE_COOKIE = "llmlab_workspace";
/** Time before its expiry when a token is renewed. */
const EARLY_MS = 15_000;

let session: Session = { status: "starting" };
let token: { value: string; endsAt: number } | undefined;
let refreshing: Promise<boolean> | undefined;
const listeners = new Set<() => void>();
const otherTabs = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("llmlab");

function set(next: Session) {
  session = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const getSession = () => session;

/** The session; re-renders when it changes. */
export const useSession = () => useSyncExternalStore(subscribe, getSession);

/** The session of a signed-in user. For pages that require one. */
export function useSignedIn(): { user: User; workspaceId: string } {
  const current = useSession();
  if (current.status !== "in") throw new Error("Not signed in");
  return current;
}

/** Starts a session from the answer to a sign-up, a login or a refresh. */
function begin(answer: { access_token: string; expires_in: number; user: User; workspace_id: string }) {
  token = { value: answer.access_token, endsAt: Date.now() + answer.expires_in * 1000 };
  const workspaceId =
    session.status === "in" ? session.workspaceId : (getCookie(WORKSPACE_COOKIE) ?? answer.workspace_id);
  set({ status: "in", user: answer.user, workspaceId });
}

/** Switches to another workspace and reloads everything shown. */
export function chooseWorkspace(id: string) {
  setCookie(WORKSPACE_COOKIE, id);
  if (session.status === "in") set({ ...session, workspaceId: id });
}

/** Applies changes made on the account page. */
export function updateUser(user: User) {
  if (session.status === "in") set({ ...session, user });
}

async function post(path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { "X-Session": "cookie" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token.value}`;
  return fetch(API_URL + path, {
    method: "POST",
    credentials: API_URL ? "include" : "same-origin",
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    // The new cookie must arrive even if the page is closed, or the next refresh would send a used token.
    keepalive: true,
  });
}

export async function signIn(path: "/api/auth/login" | "/api/auth/signup", body: Schema<"Login"> | Schema<"Signup">) {
  token = undefined;
  const response = await post(path, body);
  if (!response.ok) throw new ApiError(await problemOf(response));
  setCookie(WORKSPACE_COOKIE, undefined);
  session = { status: "out" };
  begin((await response.json()) as Schema<"SignedIn">);
}

export async function signOut() {
  try {
    await post("/api/auth/logout");
  } finally {
    end("out");
    otherTabs?.postMessage("out");
  }
}

/** Clears the session here; the server has already ended it. */
export function end(status: "out" | "over") {
  token = undefined;
  if (status === "out") setCookie(WORKSPACE_COOKIE, undefined);
  set({ status });
}

/** Renews the session; false if it has ended. One tab at a time: a refresh token works once.
 *
 * Throws if the server cannot be reached or fails.
 */
export function refresh(): Promise<boolean> {
  refreshing ??= inTurn(async () => {
    const response = await post("/api/auth/refresh");
    if (response.ok) {
      begin((await response.json()) as Schema<"SignedIn">);
      return true;
    }
    if (response.status !== 401) throw new ApiError(await problemOf(response));
    end(session.status === "in" ? "over" : "out");
    return false;
  }).finally(() => (refreshing = undefined));
  return refreshing;
}

/** Checks for an existing session. */
export async function start() {
  try {
    await refresh();
  } catch (error) {
    set({ status: "away", error: error instanceof ApiError ? error : new AwayError() });
  }
}

/** A valid token, or undefined if the session has ended. */
export async function accessToken(): Promise<string | undefined> {
  if (token && token.endsAt - EARLY_MS < Date.now()) await refresh();
  return token?.value;
}

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  // Browsers offer locks on https and localhost only.
  const locks = navigator.locks as LockManager | undefined;
  return locks ? (locks.request("llmlab-session", work) as Promise<T>) : work();
}

otherTabs?.addEventListener("message", () => {
  if (session.status === "in") end("out");
});
