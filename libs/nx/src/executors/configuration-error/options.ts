// Generated from schema.json by npm run generate.
/**
 * Fails with the problems of a configuration. Inferred for a project whose prebuilt.json can't be used.
 */
export interface ConfigurationErrorOptions {
  /**
   * The file that can't be used, relative to the workspace's root.
   */
  readonly file: string;
  /**
   * What is wrong with it, one line each.
   */
  readonly problems: readonly string[];
  [k: string]: unknown;
}
