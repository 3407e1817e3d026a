// Generated from schema.json by npm run generate.
/**
 * What `nx release` publishes of a program: its image, then its release page. A program that got no version is left alone.
 */
export interface ReleasePublishOptions {
  /**
   * What `nx release` decided of each project; it gives this itself.
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
   * Builds, and prints what would be published, for which registry and GitHub are only read.
   */
  readonly dryRun: boolean;
  [k: string]: unknown;
}
