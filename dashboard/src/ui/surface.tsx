import type { ComponentProps, ReactNode } from "react";
import { useId } from "react";
import { ArrowDown, ArrowUp, Inbox, RefreshCw, ServerOff, TriangleAlert } from "lucide-react";
import { ApiError, AwayError, sentence } from "@/api/errors";
import { count, money, percent, percentChange } from "@/format";
import { classes } from "@/utils/classes";
import { Button } from "./button";

/** The title of a page, a note and its actions. */
export function PageHeader({ title, note, children }: { title: string; note?: ReactNode; children?: ReactNode }) {
  return (
    <header className="mb-5 flex flex-wrap items-end justify-between gap-x-4 gap-y-3">
      <div className="min-w-0">
        <h1>{title}</h1>
        {note !== undefined && <p className="mt-1 max-w-prose text-muted">{note}</p>}
      </div>
      {children !== undefined && <div className="flex flex-wrap items-center gap-2">{children}</div>}
    </header>
  );
}

interface CardProps extends Omit<ComponentProps<"section">, "title"> {
  title?: ReactNode;
  note?: ReactNode;
  /** Buttons at the right of the title. */
  actions?: ReactNode;
  /** No padding around the content, for tables. */
  flush?: boolean;
}

export function Card({ title, note, actions, flush, className, children, ...rest }: CardProps) {
  const id = useId();
  return (
    <section
      aria-labelledby={title === undefined ? undefined : id}
      {...rest}
      className={classes("min-w-0 rounded-xl border bg-surface shadow-raised", className)}
    >
      {(title !== undefined || actions !== undefined) && (
        <div className="flex flex-wrap items-start justify-between gap-2 px-4 pt-3.5 pb-2.5 sm:px-5">
          <div className="min-w-0">
            {title !== undefined && <h2 id={id}>{title}</h2>}
            {note !== undefined && <p className="mt-0.5 text-xs text-muted">{note}</p>}
          </div>
          {actions !== undefined && <div className="flex flex-wrap items-center gap-1.5">{actions}</div>}
        </div>
      )}
      <div className={classes(!flush && "px-4 pb-4 sm:px-5 sm:pb-5", !flush && title === undefined && "pt-4 sm:pt-5")}>
        {children}
      </div>
    </section>
  );
}

interface StatProps {
  label: ReactNode;
  /** Already formatted; leave it out while loading. */
  value?: ReactNode;
  /** A line below, such as a comparison or an interval. */
  note?: ReactNode;
  /** Change in percent. */
  change?: number | null;
  moreIs?: "worse" | "better" | "neutral";
}

/** One figure with its label. */
export function Stat({ label, value, note, change, moreIs = "worse" }: StatProps) {
  return (
    <div className="min-w-0">
      <p className="text-xs font-medium text-muted">{label}</p>
      <div className="mt-1 flex flex-wrap items-baseline gap-x-2">
        {value === undefined ? (
          <Skeleton className="my-1 h-6 w-28" />
        ) : (
          <span className="text-2xl leading-8 font-semibold tracking-tight">{value}</span>
        )}
        {change !== undefined && change !== null && <Change percent={change} moreIs={moreIs} />}
      </div>
      {note !== undefined && <p className="mt-0.5 text-xs text-muted">{note}</p>}
    </div>
  );
}

/** A change in percent with an arrow, green if good, red if bad. */
export function Change({ percent: value, moreIs = "worse" }: { percent: number; moreIs?: StatProps["moreIs"] }) {
  const tone =
    moreIs === "neutral" || value === 0 ? "text-muted" : value > 0 === (moreIs === "better") ? "text-good" : "text-bad";
  const Arrow = value > 0 ? ArrowUp : ArrowDown;
  return (
    <span className={classes("inline-flex items-center gap-0.5 text-xs font-medium", tone)}>
      {value !== 0 && <Arrow aria-hidden className="size-3" />}
      {percentChange(value)}
    </span>
  );
}

export type Tone = "neutral" | "accent" | "good" | "warn" | "bad";
const TONES: Record<Tone, string> = {
  neutral: "bg-sunken text-muted",
  accent: "bg-accent-soft text-accent-strong",
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
};

export function Badge({ tone = "neutral", icon, children }: { tone?: Tone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap",
        TONES[tone],
      )}
    >
      {icon}
      {children}
    </span>
  );
}

/** The number of calls without a price; renders nothing if all have one. */
export function Unpriced({ calls }: { calls: number | undefined }) {
  if (!calls) return null;
  return (
    <Badge tone="warn" icon={<TriangleAlert aria-hidden className="size-3" />}>
      {count(calls)} unpriced {calls === 1 ? "call" : "calls"}
    </Badge>
  );
}

interface ProgressBarProps {
  label: string;
  /** Used share in percent; may exceed 100. */
  percentUsed: number;
  /** Reserved share in percent. */
  percentReserved?: number;
}

/** Used share of a limit: green, yellow from 80%, red from 100%; the reserved share is hatched. */
export function ProgressBar({ label, percentUsed, percentReserved = 0 }: ProgressBarProps) {
  const whole = Math.max(100, percentUsed + percentReserved);
  const tone = percentUsed >= 100 ? "bad" : percentUsed >= 80 ? "warn" : "good";
  const fill = { good: "bg-bar-good", warn: "bg-bar-warn", bad: "bg-bar-bad" }[tone];
  const text = { good: "text-bar-good", warn: "text-bar-warn", bad: "text-bar-bad" }[tone];
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.min(100, Math.round(percentUsed))}
      aria-valuetext={`${percent(percentUsed)} used${percentReserved > 0 ? `, ${percent(percentReserved)} reserved` : ""}`}
      className="relative flex h-2.5 overflow-hidden rounded-full bg-sunken"
    >
      <div className={classes("h-full", fill)} style={{ width: `${(percentUsed / whole) * 100}%` }} />
      {percentReserved > 0 && (
        <div className={classes("hatched h-full", text)} style={{ width: `${(percentReserved / whole) * 100}%` }} />
      )}
      {whole > 100 && (
        <div className="absolute inset-y-0 w-0.5 bg-surface" style={{ left: `${(100 / whole) * 100}%` }} />
      )}
    </div>
  );
}

/** A placeholder while loading. Give it a size. */
export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden className={classes("skeleton block", className)} />;
}

/** Placeholder rows of a table or list. */
export function SkeletonRows({ rows = 5 }: { rows?: number }) {
  return (
    <div role="status" className="space-y-3 p-5">
      <span className="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton
          key={row}
          className={classes("h-4", row % 3 === 0 ? "w-full" : row % 3 === 1 ? "w-11/12" : "w-4/5")}
        />
      ))}
    </div>
  );
}

interface StateProps {
  title: string;
  icon?: ReactNode;
  children?: ReactNode;
  action?: ReactNode;
  /** It is the only content of the page. */
  main?: boolean;
}

/** An empty page or card: what will appear, and how to get there. */
export function EmptyState({ title, icon, children, action, main }: StateProps) {
  const Title = main ? "h1" : "p";
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-10 text-center">
      <span className="mb-1 rounded-full bg-sunken p-3 text-muted">
        {icon ?? <Inbox aria-hidden className="size-5" />}
      </span>
      <Title className="text-sm font-semibold">{title}</Title>
      {children !== undefined && <div className="max-w-md text-muted">{children}</div>}
      {action !== undefined && <div className="mt-2">{action}</div>}
    </div>
  );
}

/** The server's error message, with a retry button. */
export function ErrorState({ error, onRetry, main }: { error: unknown; onRetry?: () => unknown; main?: boolean }) {
  const Title = main ? "h1" : "p";
  const away = error instanceof AwayError;
  const Icon = away ? ServerOff : TriangleAlert;
  return (
    <div role="alert" className="flex flex-col items-center gap-2 px-6 py-10 text-center">
      <span className="mb-1 rounded-full bg-bad-soft p-3 text-bad">
        <Icon aria-hidden className="size-5" />
      </span>
      <Title className="text-sm font-semibold">{away ? "The server cannot be reached" : sentence(error)}</Title>
      {away && <p className="max-w-md text-muted">This page may be out of date. It reloads when the server is back.</p>}
      {error instanceof ApiError && error.problem.request_id !== "" && (
        <p className="text-xs text-muted">
          Request <code className="font-mono">{error.problem.request_id}</code>
        </p>
      )}
      {onRetry && (
        <Button
          size="sm"
          className="mt-2"
          icon={<RefreshCw aria-hidden className="size-3.5" />}
          onClick={() => onRetry()}
        >
          Try again
        </Button>
      )}
    </div>
  );
}

/** An error message above a form. */
export function ErrorLine({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p role="alert" className="flex gap-2 rounded-md bg-bad-soft px-3 py-2 text-bad">
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      {sentence(error)}
    </p>
  );
}

/** The state of a query: a skeleton, an error, or its data. */
export function Loaded<T>({
  of,
  children,
  skeleton = <SkeletonRows />,
}: {
  of: { data: T | undefined; error: unknown; refetch: () => unknown };
  children: (data: T) => ReactNode;
  skeleton?: ReactNode;
}) {
  if (of.data !== undefined) return children(of.data);
  return of.error ? <ErrorState error={of.error} onRetry={of.refetch} /> : skeleton;
}

/** An amount; null is shown as unpriced, not as 0. */
export function Money({ value }: { value: number | null }) {
  return value === null ? <span className="text-warn">unpriced</span> : <span>{money(value)}</span>;
}
