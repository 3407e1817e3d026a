/**
 * What a task's result depends on that Nx doesn't know about, as JSON: first the facts from the workspace's files,
 * which have already been read, then the rest.
 */
export interface KeyFacts {
  readonly files?: unknown;
  /** Reads the facts from git, other programs, and files outside the sources. */
  rest(): Promise<unknown>;
}
