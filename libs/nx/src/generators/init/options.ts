// Generated from schema.json by npm run generate.
/**
 * Registers the plugin in nx.json and keeps what it builds out of git.
 */
export interface InitOptions {
  /**
   * Where images are published, as a pattern: ghcr.io/acme/{projectName}.
   */
  readonly repository?: string;
  /**
   * Leaves the changed files unformatted.
   */
  readonly skipFormat: boolean;
  [k: string]: unknown;
}
