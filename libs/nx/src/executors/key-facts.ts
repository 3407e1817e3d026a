/**
 * What the result of a task depends on and Nx knows nothing of, as JSON: first what the workspace's files say, which has
 * been read, then the rest.
 */
export interface KeyFacts {
  readonly files?: unknown;
  /** Reads what git, other programs, or files outside of the sources say. */
  rest(): Promise<unknown>;
}
