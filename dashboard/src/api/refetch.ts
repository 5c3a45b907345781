/** Advice and forecasts take the server a while, and one call more does not change them. */
export const EVERY_FIVE_MINUTES = { refetchInterval: 300_000 };
