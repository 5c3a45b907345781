import { useSyncExternalStore } from "react";
import { CircleCheck, TriangleAlert, X } from "lucide-react";
import { sentence } from "@/api/errors";
import { classes } from "@/utils/classes";

interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
}

const SHOWN_MS = 6000;
let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]) {
  toasts = next;
  for (const listener of listeners) listener();
}

const dismiss = (id: number) => set(toasts.filter((toast) => toast.id !== id));

/** Shows a confirmation for a few seconds. */
export function toast(text: string, tone: Toast["tone"] = "good") {
  const id = ++lastId;
  set([...toasts.slice(-2), { id, text, tone }]);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Shows an error for a few seconds: `mutate(input, { onError: toastError })`. */
export const toastError = (error: unknown) => toast(sentence(error), "bad");

/** Renders the toasts. Used once. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-4 bottom-20 z-50 flex flex-col items-center gap-2 sm:left-auto sm:items-end lg:bottom-4"
    >
      {shown.map(({ id, text, tone }) => {
        const Icon = tone === "good" ? CircleCheck : TriangleAlert;
        return (
          <div
            key={id}
            className="pointer-events-auto flex max-w-sm items-start gap-2.5 rounded-lg border bg-surface py-2.5 pr-2 pl-3.5 shadow-floating"
          >
            <Icon
              aria-hidden
              className={classes("mt-0.5 size-4 shrink-0", tone === "good" ? "text-good" : "text-bad")}
            />
            <p>{text}</p>
            <button
              type="button"
              aria-label="Dismiss"
              className="rounded p-0.5 text-muted hover:text-ink"
              onClick={() => dismiss(id)}
            >
              <X aria-hidden className="size-4" />
            </button>
          </div>
        );
      })}
    </div>
  );
}
