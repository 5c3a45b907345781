import type { components, paths } from "./schema";

/** A schema of the OpenAPI document by name, such as Schema<"Budget">. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths that support a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never;
}[keyof paths];

type Content<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type Success<R> = {
  [Status in keyof R]: Status extends 200 | 201 | 202 | 204 ? Content<R[Status]> : never;
}[keyof R];

/** The successful answer of a path. */
export type Answer<M extends Method, P extends PathOf<M>> = paths[P][M] extends { responses: infer R }
  ? Success<R>
  : never;

/** The input of a path: `query`, `path` and `body`, where it has them. */
export type Input<M extends Method, P extends PathOf<M>> = (paths[P][M] extends {
  parameters: { path: infer Path };
}
  ? { path: Path }
  : { path?: never }) &
  (paths[P][M] extends { parameters: { query: infer Query } }
    ? { query: Query }
    : paths[P][M] extends { parameters: { query?: infer Query } }
      ? { query?: Query }
      : { query?: never }) &
  (paths[P][M] extends { requestBody: { content: { "application/json": infer Body } } }
    ? { body: Body }
    : { body?: never });
