// Generated from schema.json by npm run generate.
/**
 * Makes the page of a release on GitHub: first a draft with its assets, each compared by size and SHA-256, and after the image is published, the page. The token comes from GITHUB_TOKEN.
 */
export interface GithubReleaseOptions {
  /**
   * draft makes or finishes the draft and its assets; publish writes the image's digests into the notes and publishes the page.
   */
  readonly stage: 'draft' | 'publish';
  /**
   * The repository on GitHub, owner/name. Defaults to GITHUB_REPOSITORY.
   */
  readonly repository?: string;
  /**
   * The API's address. Defaults to GITHUB_API_URL, otherwise https://api.github.com.
   */
  readonly baseUrl?: string;
  /**
   * The folder that build-binaries filled, relative to the workspace's root.
   */
  readonly inputPath: string;
  /**
   * The folder with the bills of materials, relative to the workspace's root; each is an asset.
   */
  readonly sbomPath: string;
  /**
   * The folder with docker-publish's record.json, relative to the workspace's root; read by the stage publish.
   */
  readonly recordPath: string;
  /**
   * The folder with checksums.txt.sigstore.json, relative to the workspace's root; if that file exists, it is an asset.
   */
  readonly signaturePath: string;
  /**
   * Whether the program has an image, whose record the stage publish needs.
   */
  readonly image: boolean;
  /**
   * auto makes the page GitHub's "latest" where its version is the highest of those published; never leaves that as it is.
   */
  readonly tagLatest: 'auto' | 'never';
  /**
   * Releases sources that differ from the commit that the release names.
   */
  readonly allowUncommitted: boolean;
  /**
   * Prints the plan; GitHub is only read.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan as JSON.
   */
  readonly json: boolean;
}
