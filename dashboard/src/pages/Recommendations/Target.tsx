import type { ReactNode } from "react";
import { useEffect, useRef } from "react";
import { useLocation } from "react-router";
import { ChevronRight } from "lucide-react";
import { classes } from "@/utils/classes";

/** Whether the address points at it. */
export const useTargeted = (id: string) => decodeURIComponent(useLocation().hash.slice(1)) === id;

/** A list item that is scrolled to and highlighted when the address points at it. */
export function Target({
  id,
  className,
  children,
  ...rest
}: {
  id: string;
  className?: string;
  children: ReactNode;
  "data-item"?: string;
}) {
  const targeted = useTargeted(id);
  const element = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (targeted) element.current?.scrollIntoView({ block: "start" });
  }, [targeted]);
  return (
    <li
      ref={element}
      id={id}
      {...rest}
      aria-current={targeted || undefined}
      className={classes(
        "scroll-mt-20 px-4 py-4 sm:px-5",
        targeted && "bg-accent-soft/40 shadow-[inset_3px_0_0_var(--accent)]",
        className,
      )}
    >
      {children}
    </li>
  );
}

/** Details that open on a click. */
export function More({ label, open, children }: { label: string; open?: boolean; children: ReactNode }) {
  return (
    <details className="group min-w-0 open:basis-full" open={open}>
      <summary className="inline-flex list-none items-center gap-1 rounded text-[0.8125rem] font-medium text-accent hover:underline">
        <ChevronRight aria-hidden className="size-3.5 transition-transform group-open:rotate-90" />
        {label}
      </summary>
      <div className="mt-2">{children}</div>
    </details>
  );
}

/** A list of names and values. */
export function Facts({
  facts,
  label,
}: {
  facts: readonly (readonly [name: string, value: ReactNode])[];
  label: string;
}) {
  return (
    <dl aria-label={label} className="grid max-w-xl grid-cols-[minmax(0,1fr)_auto] gap-x-6 gap-y-1 text-[0.8125rem]">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="text-right font-medium">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
