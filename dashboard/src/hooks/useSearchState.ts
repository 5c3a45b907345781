/** State of a page, kept in the address bar. */

import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

type Value = string | number | boolean | readonly string[];
type Widened<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends number
      ? number
      : T[K] extends boolean
        ? boolean
        : readonly string[];
};

/** The state of a page by name. Values equal to `defaults` are left out of the address.
 *
 * `const [state, setState] = useSearchState({ by: "model", project: "" })`; `setState({ by: "project" })` adds a history
 * entry; with `{ replace: true }`, for typing, it does not. `defaults` should be a constant of the module.
 */
export function useSearchState<T extends Record<string, Value>>(
  defaults: T,
): [Widened<T>, (changes: Partial<Widened<T>>, options?: { replace?: boolean }) => void] {
  const [params, setParams] = useSearchParams();

  const state = useMemo(() => {
    const read = Object.entries(defaults).map(([name, value]): [string, Value] => {
      const text = params.get(name);
      if (text === null) return [name, value];
      if (typeof value === "number") return [name, Number.isFinite(Number(text)) ? Number(text) : value];
      if (typeof value === "boolean") return [name, text === "true"];
      return [name, typeof value === "string" ? text : params.getAll(name)];
    });
    return Object.fromEntries(read) as Widened<T>;
  }, [defaults, params]);

  const setState = useCallback(
    (changes: Partial<Widened<T>>, { replace = false } = {}) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [name, value] of Object.entries(changes) as [string, Value][]) {
            next.delete(name);
            if (typeof value === "object") for (const part of value) next.append(name, part);
            else if (value !== defaults[name]) next.set(name, String(value));
          }
          return next;
        },
        { replace, preventScrollReset: true },
      ),
    [defaults, setParams],
  );
  return [state, setState];
}
