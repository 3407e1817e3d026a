// Generated from schema.json by npm run generate.
/**
 * Fails and reports what is wrong with a configuration file. Inferred for a project with an unusable prebuilt.json.
 */
export interface ConfigurationErrorOptions {
  /**
   * The unusable file, relative to the workspace root.
   */
  readonly file: string;
  /**
   * What is wrong with it, one line per problem.
   */
  readonly problems: readonly string[];
  [k: string]: unknown;
}
