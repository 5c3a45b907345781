/** Where to go after signing in: a page of ours, and never another site. */
export function safeNext(next: string | null): string | undefined {
  if (!next || !next.startsWith("/")) return undefined;
  const url = new URL(next, window.location.origin);
  const ours = url.origin === window.location.origin && /^\/(app|join)(\/|$)/.test(url.pathname);
  return ours ? url.pathname + url.search : undefined;
}
