import type { Schema } from "./types";

type Problem = Schema<"Problem">;

/** The server answered, and the answer was no. The message is the server's sentence. */
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

  /** What is wrong with one field of the body, if that is what is wrong. */
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

/** The problem a response describes, or one made of its status if a proxy answered instead of the server. */
export async function problemOf(response: Response): Promise<Problem> {
  if (response.headers.get("Content-Type")?.includes("json")) {
    try {
      return (await response.json()) as Problem;
    } catch {
      // Cut short: its status has to do.
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

/** The sentence to show. */
export const sentence = (error: unknown) => (error instanceof Error ? error.message : "Something went wrong");
