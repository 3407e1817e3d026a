// Generated from schema.json by npm run generate.
/**
 * Creates the release page on GitHub: first a draft with its assets, each checked by size and SHA-256, then, once the image is published, the page itself. The token comes from GITHUB_TOKEN.
 */
export interface GithubReleaseOptions {
  /**
   * draft creates or completes the draft and its assets; publish writes the image's digests into the notes and publishes the page.
   */
  readonly stage: 'draft' | 'publish';
  /**
   * The GitHub repository, as owner/name. Defaults to GITHUB_REPOSITORY.
   */
  readonly repository?: string;
  /**
   * The API's URL. Defaults to GITHUB_API_URL, then to https://api.github.com.
   */
  readonly baseUrl?: string;
  /**
   * The output folder of build-binaries, relative to the workspace root.
   */
  readonly inputPath: string;
  /**
   * The folder with the bills of materials, relative to the workspace root; each becomes an asset.
   */
  readonly sbomPath: string;
  /**
   * The folder with docker-publish's record.json, relative to the workspace root; only the publish stage reads it.
   */
  readonly recordPath: string;
  /**
   * The folder with checksums.txt.sigstore.json, relative to the workspace root; if that file exists, it becomes an asset.
   */
  readonly signaturePath: string;
  /**
   * Whether the program has an image. If it does, the publish stage needs the image's record.
   */
  readonly image: boolean;
  /**
   * auto makes the page GitHub's "latest" if its version is the highest one published; with never, "latest" stays where it is.
   */
  readonly tagLatest: 'auto' | 'never';
  /**
   * Allows releasing sources that differ from the commit that the release names.
   */
  readonly allowUncommitted: boolean;
  /**
   * Prints the plan; only reads from GitHub.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan as JSON.
   */
  readonly json: boolean;
}
