/** Light or dark: the system's setting, unless the reader chose one. */

import { useSyncExternalStore } from "react";
import { getCookie, setCookie } from "@/utils/cookies";

export type Theme = "system" | "light" | "dark";

const COOKIE = "llmlab_theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let theme = (getCookie(COOKIE) ?? "system") as Theme;

function apply() {
  const shown = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.theme = shown;
}

export function setTheme(next: Theme) {
  theme = next;
  setCookie(COOKIE, next === "system" ? undefined : next);
  apply();
  for (const listener of listeners) listener();
}

export const useTheme = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => theme,
  );

dark.addEventListener("change", apply);
apply();
