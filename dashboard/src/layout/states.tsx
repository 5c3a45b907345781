import type { ReactNode } from "react";
import { useEffect } from "react";
import { isRouteErrorResponse, useLocation, useRouteError } from "react-router";
import { LockKeyhole } from "lucide-react";
import { start } from "@/api/session";
import { EmptyState, ErrorState, LinkButton, Skeleton } from "@/ui";
import { Brand } from "./Brand";

/** A page with one centered element. */
export function Centered({ children, wide }: { children: ReactNode; wide?: boolean }) {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-4 py-10">
      <Brand className="mb-6 text-lg" />
      <div className={wide ? "w-full max-w-2xl" : "w-full max-w-sm"}>{children}</div>
    </main>
  );
}

/** Shown until the session is known. */
export function Starting() {
  return (
    <div role="status" className="min-h-dvh p-6 lg:pl-68">
      <span className="sr-only">Loading</span>
      <Skeleton className="mb-6 h-8 w-48" />
      <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        {[1, 2, 3, 4].map((card) => (
          <Skeleton key={card} className="h-28" />
        ))}
      </div>
      <Skeleton className="mt-4 h-80" />
    </div>
  );
}

/** The server cannot be reached, and nothing is shown yet. */
export function Away({ error }: { error: Error }) {
  useEffect(() => {
    const timer = setInterval(() => void start(), 5000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Centered>
      <div className="rounded-xl border bg-surface shadow-raised">
        <ErrorState main error={error} onRetry={start} />
      </div>
    </Centered>
  );
}

/** The session has ended; signing in returns to the same page. */
export function Over() {
  const { pathname, search } = useLocation();
  return (
    <Centered>
      <div className="rounded-xl border bg-surface shadow-raised">
        <EmptyState
          main
          title="Signed out"
          icon={<LockKeyhole aria-hidden className="size-5" />}
          action={
            <LinkButton look="primary" to={`/login?next=${encodeURIComponent(pathname + search)}`}>
              Sign in again
            </LinkButton>
          }
        >
          Your session expired or was ended. Signing in returns you to this page.
        </EmptyState>
      </div>
    </Centered>
  );
}

/** The address does not exist, or the page failed. */
export function Broken() {
  const error = useRouteError();
  const missing = isRouteErrorResponse(error) && error.status === 404;
  return (
    <Centered>
      <div className="rounded-xl border bg-surface shadow-raised">
        {missing ? (
          <EmptyState main title="There is no such page" action={<LinkButton to="/app">Go to overview</LinkButton>} />
        ) : (
          <ErrorState main error={error} onRetry={() => window.location.reload()} />
        )}
      </div>
    </Centered>
  );
}
