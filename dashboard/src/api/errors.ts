import type { Schema } from "./types";

type Problem = Schema<"Problem">;

/** The server answered with an error. The message is the server's. */
export class ApiError extends Error {
  override name = "ApiError";

  constructor(
    readonly problem: Problem,
    /** Seconds to wait before trying again, if the server said so. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail);
  }

  get status() {
    return this.problem.status;
  }

  /** The error of one field of the body, if it has one. */
  field(name: string): string | undefined {
    return this.problem.errors?.find((fault) => fault.loc.includes(name))?.msg;
  }
}

/** The server did not answer. */
export class AwayError extends Error {
  override name = "AwayError";

  constructor() {
    super("The server cannot be reached");
  }
}

/** The problem in a response, or one made from its status if a proxy answered. */
export async function problemOf(response: Response): Promise<Problem> {
  if (response.headers.get("Content-Type")?.includes("json")) {
    try {
      return (await response.json()) as Problem;
    } catch {
      // Cut off: use the status.
    }
  }
  return {
    type: "about:blank",
    title: response.statusText,
    status: response.status,
    detail: `The server answered ${response.status} ${response.statusText}`.trim(),
    request_id: response.headers.get("X-Request-ID") ?? "",
  };
}

/** The message to show. */
export const sentence = (error: unknown) => (error instanceof Error ? error.message : "Unexpected error");
