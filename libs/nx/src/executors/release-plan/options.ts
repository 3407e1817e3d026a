// Generated from schema.json by npm run generate.
/**
 * Decides whether a release may begin: the version, its tag at HEAD, and which tags will move. Writes nothing but a job's outputs and summary.
 */
export interface ReleasePlanOptions {
  /**
   * auto moves X.Y, X and latest where the version is the highest of its line; never moves none of them.
   */
  readonly tagLatest: 'auto' | 'never';
  /**
   * Prints the plan as JSON.
   */
  readonly json: boolean;
}
