/** The page to open after signing in; never another site. */
export function safeNext(next: string | null): string | undefined {
  if (!next || !next.startsWith("/")) return undefined;
  const url = new URL(next, window.location.origin);
  const ours = url.origin === window.location.origin && /^\/(app|join)(\/|$)/.test(url.pathname);
  return ours ? url.pathname + url.search : undefined;
}
