// Generated from schema.json by npm run generate.
/**
 * Decides whether a release may start: checks the version and its tag at HEAD, and plans which tags will move. Writes only a job's outputs and summary.
 */
export interface ReleasePlanOptions {
  /**
   * auto moves X.Y, X and latest if the version is the highest of its release line; with never, they stay where they are.
   */
  readonly tagLatest: 'auto' | 'never';
  /**
   * Prints the plan as JSON.
   */
  readonly json: boolean;
}
