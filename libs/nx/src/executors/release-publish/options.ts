// Generated from schema.json by npm run generate.
/**
 * What `nx release` publishes of a program: its image, then its release page. A program without a new version is skipped.
 */
export interface ReleasePublishOptions {
  /**
   * What `nx release` decided for each project; it passes this itself.
   */
  readonly nxReleaseVersionData?: {
    [k: string]: unknown;
  };
  /**
   * Pushes the release's tag to the remote where it is not there yet; a page needs it on GitHub. --no-push-tag fails instead.
   */
  readonly pushTag: boolean;
  /**
   * The git remote for the tag.
   */
  readonly remote: string;
  /**
   * Builds, and prints what would be published; only reads from the registry and GitHub.
   */
  readonly dryRun: boolean;
  [k: string]: unknown;
}
