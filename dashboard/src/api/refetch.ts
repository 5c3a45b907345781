/** For recommendations and forecasts: slow to compute, and not changed by a single call. */
export const EVERY_FIVE_MINUTES = { refetchInterval: 300_000 };
