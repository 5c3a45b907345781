import type { KeyboardEvent } from "react";
import { useEffect, useRef, useState } from "react";
import { Link, useNavigate } from "react-router";
import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { ArrowUp, LoaderCircle, Search, ShieldAlert } from "lucide-react";
import type { Schema } from "@/api";
import { count, dateTimeSeconds, duration, exactMoney } from "@/format";
import { providerName } from "@/format/providers";
import { classes } from "@/utils/classes";
import { Badge, Button, EmptyState, ErrorState, LinkButton, Money, SkeletonRows } from "@/ui";
import { useCallList } from "./useCallList";
import type { CallsView } from "./view";

type Call = Schema<"StoredEvent">;

const ROW_REM = 2.5;
const PHONE_ROW_REM = 3.75;
/** Rows left below the last visible one when the next page is requested. */
const AHEAD = 30;
const GRID =
  "grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 lg:grid-cols-[11rem_minmax(10rem,2fr)_minmax(6rem,1fr)_minmax(6rem,1fr)_5.5rem_6.5rem_5.5rem_5.5rem]";
const COLUMNS = [
  { name: "Time" },
  { name: "Model" },
  { name: "Provider" },
  { name: "Project" },
  { name: "Tokens", right: true },
  { name: "Cost", right: true },
  { name: "Latency", right: true },
  { name: "Status" },
] as const;

const rem = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
const rowHeight = () => (window.matchMedia("(min-width: 64rem)").matches ? ROW_REM : PHONE_ROW_REM) * rem();
const hrefOf = (call: Call) => `/app/calls/${encodeURIComponent(call.event_id)}`;

/** All calls that match; only the visible rows are rendered. */
export function CallTable({ view }: { view: CallsView }) {
  const list = useCallList(view.query);
  const { calls, waiting, hasMore, loadMore, hold, leave } = list;
  const navigate = useNavigate();
  const scroller = useRef<HTMLDivElement>(null);
  const [activeId, setActiveId] = useState<string>();
  const active = Math.max(0, activeId === undefined ? 0 : calls.findIndex((call) => call.event_id === activeId));

  // Its result changes with every scroll, so memoizing is useless.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: calls.length,
    getScrollElement: () => scroller.current,
    estimateSize: rowHeight,
    getItemKey: (index) => calls[index]?.event_id ?? index,
    initialOffset: list.offset,
    overscan: 12,
    // The focused row stays rendered while scrolling.
    rangeExtractor: (range) =>
      [...new Set([...defaultRangeExtractor(range), active])]
        .filter((index) => index < calls.length)
        .sort((a, b) => a - b),
  });
  const rows = virtual.getVirtualItems();
  const last = rows.at(-1)?.index ?? 0;

  useEffect(() => {
    if (hasMore && list.error === undefined && last >= calls.length - AHEAD) loadMore();
  }, [hasMore, list.error, last, calls.length, loadMore]);

  useEffect(() => {
    const element = scroller.current;
    return () => leave(element?.scrollTop ?? 0);
  }, [leave]);

  function moveTo(index: number) {
    const next = Math.min(calls.length - 1, Math.max(0, index));
    setActiveId(calls[next]?.event_id);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"] a`)?.focus({ preventScroll: true }),
    );
  }

  function onKeyDown(event: KeyboardEvent) {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight()) - 2);
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: calls.length - 1,
    };
    const next = steps[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moveTo(next);
  }

  function showNewest() {
    hold(false);
    scroller.current?.scrollTo({ top: 0 });
  }

  if (list.newest.data === undefined) {
    return list.newest.error ? (
      <ErrorState error={list.newest.error} onRetry={list.newest.refetch} />
    ) : (
      <SkeletonRows rows={12} />
    );
  }
  if (calls.length === 0) return <NoCalls view={view} />;
  return (
    <div className="relative">
      {waiting.count > 0 && (
        <div className="pointer-events-none absolute inset-x-0 top-11 z-20 flex justify-center">
          <Button
            size="sm"
            look="primary"
            className="pointer-events-auto shadow-floating"
            icon={<ArrowUp aria-hidden className="size-3.5" />}
            onClick={showNewest}
          >
            {count(waiting.count)}
            {waiting.more && "+"} new
          </Button>
        </div>
      )}
      <p role="status" className="sr-only">
        {waiting.count > 0 && `${count(waiting.count)} new calls above`}
      </p>
      <div
        ref={scroller}
        role="grid"
        tabIndex={-1}
        aria-label="Calls"
        aria-rowcount={hasMore ? -1 : calls.length + 1}
        onKeyDown={onKeyDown}
        onScroll={(event) => hold(event.currentTarget.scrollTop > 8)}
        className="h-[calc(100dvh-19rem)] min-h-96 lg:h-[calc(100dvh-15rem)] overflow-y-auto rounded-xl focus-visible:outline-none"
      >
        <div
          role="row"
          aria-rowindex={1}
          className={classes(
            GRID,
            "sticky top-0 z-10 border-b bg-surface px-4 py-2 text-xs font-medium text-muted max-lg:sr-only sm:px-5",
          )}
        >
          {COLUMNS.map((column) => (
            <span key={column.name} role="columnheader" className={"right" in column ? "text-right" : undefined}>
              {column.name}
            </span>
          ))}
        </div>
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {rows.map((row) => {
            const call = calls[row.index];
            return (
              call && (
                // The link in the row takes focus and Enter; a click on the row is the mouse's equivalent.
                // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
                <div
                  key={row.key}
                  ref={virtual.measureElement}
                  role="row"
                  aria-rowindex={row.index + 2}
                  data-index={row.index}
                  data-call={call.event_id}
                  onClick={(event) => {
                    if (event.target instanceof Element && !event.target.closest("a")) void navigate(hrefOf(call));
                  }}
                  className={classes(
                    GRID,
                    "absolute inset-x-0 top-0 h-15 cursor-pointer content-center items-center border-b px-4 hover:bg-hover sm:px-5 lg:h-10",
                    "has-focus-visible:outline-2 has-focus-visible:-outline-offset-2 has-focus-visible:outline-accent",
                  )}
                  style={{ transform: `translateY(${row.start}px)` }}
                >
                  <Cells call={call} focusable={row.index === active} onFocus={() => setActiveId(call.event_id)} />
                </div>
              )
            );
          })}
        </div>
        <End of={list} />
      </div>
    </div>
  );
}

function Cells({ call, focusable, onFocus }: { call: Call; focusable: boolean; onFocus: () => void }) {
  return (
    <>
      <span role="gridcell" className="truncate max-lg:order-3 max-lg:text-xs max-lg:text-muted">
        <Link
          to={hrefOf(call)}
          tabIndex={focusable ? 0 : -1}
          onFocus={onFocus}
          className="focus-visible:outline-none"
          aria-label={`${dateTimeSeconds(call.timestamp)}, ${call.model}`}
        >
          {dateTimeSeconds(call.timestamp)}
        </Link>
      </span>
      <span role="gridcell" className="flex min-w-0 items-center gap-1.5 font-medium max-lg:order-1">
        <span className="truncate">{call.model}</span>
        {call.policy_violations.length > 0 && (
          <ShieldAlert role="img" aria-label="policy violation" className="size-4 shrink-0 text-warn" />
        )}
        {call.status !== "success" && (
          <span className="lg:hidden">
            <Status call={call} />
          </span>
        )}
      </span>
      <span role="gridcell" className="truncate text-muted max-lg:hidden">
        {providerName(call.provider)}
      </span>
      <span role="gridcell" className="truncate text-muted max-lg:hidden">
        {call.project ?? "–"}
      </span>
      <span role="gridcell" className="text-right max-lg:hidden">
        {count(call.total_tokens)}
      </span>
      <span role="gridcell" className="text-right font-medium max-lg:order-2" title={exactMoney(call.cost)}>
        <Money value={call.cost} />
      </span>
      <span role="gridcell" className="text-right max-lg:order-4 max-lg:text-xs max-lg:text-muted">
        {duration(call.latency_ms)}
      </span>
      <span role="gridcell" className="max-lg:hidden">
        <Status call={call} />
      </span>
    </>
  );
}

function Status({ call }: { call: Call }) {
  if (call.status === "success") return <span className="text-muted">Success</span>;
  return call.status === "error" ? <Badge tone="bad">Error</Badge> : <Badge tone="warn">Timeout</Badge>;
}

function End({ of }: { of: ReturnType<typeof useCallList> }) {
  if (of.error) return <ErrorState error={of.error} onRetry={of.loadMore} />;
  return (
    <p className="flex h-11 items-center justify-center gap-2 text-xs text-muted">
      {of.hasMore ? (
        <>
          <LoaderCircle aria-hidden className={classes("size-3.5", of.loadingMore && "animate-spin")} />
          Older calls
        </>
      ) : (
        "End of list"
      )}
    </p>
  );
}

function NoCalls({ view }: { view: CallsView }) {
  return view.filtered ? (
    <EmptyState
      title="No calls match"
      icon={<Search aria-hidden className="size-5" />}
      action={<Button onClick={view.clear}>Clear filters</Button>}
    >
      Widen the date range or remove a filter.
    </EmptyState>
  ) : (
    <EmptyState
      title="No calls in this period"
      action={
        <LinkButton look="primary" to="/app/start">
          Send a call
        </LinkButton>
      }
    >
      Calls appear here as soon as your applications send them.
    </EmptyState>
  );
}
