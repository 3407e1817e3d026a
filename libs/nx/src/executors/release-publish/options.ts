// Generated from schema.json by npm run generate.
/**
 * Publishes a program for `nx release`: its image, then its release page. Skips a program that has no new version.
 */
export interface ReleasePublishOptions {
  /**
   * The version that `nx release` decided for each project. `nx release` sets this itself.
   */
  readonly nxReleaseVersionData?: {
    [k: string]: unknown;
  };
  /**
   * Pushes the release's tag if the remote doesn't have it yet, since a release page needs it on GitHub. With --no-push-tag, a missing tag is an error.
   */
  readonly pushTag: boolean;
  /**
   * The git remote for the tag.
   */
  readonly remote: string;
  /**
   * Builds and prints what would be published; only reads from the registry and GitHub.
   */
  readonly dryRun: boolean;
  [k: string]: unknown;
}
