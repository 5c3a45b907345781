import { useEffect, useState } from "react";

const HOUR_MS = 3_600_000;

/** The current time, updated when the next hour begins. */
export function useHour() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setTimeout(() => setNow(Date.now()), HOUR_MS - (now % HOUR_MS) + 100);
    return () => clearTimeout(timer);
  }, [now]);
  return now;
}
