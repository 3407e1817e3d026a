// Generated from schema.json by npm run generate.
/**
 * Uploads the image by digest, reads every platform back from the registry and compares its bytes, and only then moves tags.
 */
export interface DockerPublishOptions {
  /**
   * The repository to publish to, as registry/name without a tag. To publish to several, separate them with commas or give a list.
   */
  readonly image?: string | [string, ...(readonly string[])];
  /**
   * The OCI image layout that docker-release wrote, relative to the workspace root.
   */
  readonly inputPath: string;
  /**
   * The output folder of build-binaries: what the image must contain.
   */
  readonly binPath: string;
  /**
   * The folder with the verify reports.
   */
  readonly verifyPath: string;
  /**
   * The Dockerfile that the image was built from, relative to the workspace root. Defaults to the generated one.
   */
  readonly dockerfile?: string;
  /**
   * The org.opencontainers.image.title label that docker-release was given.
   */
  readonly imageTitle?: string;
  /**
   * The org.opencontainers.image.source label that docker-release was given.
   */
  readonly imageSource?: string;
  /**
   * The org.opencontainers.image.licenses label that docker-release was given.
   */
  readonly imageLicenses?: string;
  /**
   * The folder with the bills of materials, which are attached to the image as a referrer.
   */
  readonly sbomPath: string;
  /**
   * Attaches the bills of materials in sbomPath; --no-sbom attaches none.
   */
  readonly sbom: boolean;
  /**
   * Moves no tags unless every registry lists the bills of materials. Otherwise, a registry's refusal is reported and the tags still move.
   */
  readonly requireSbom: boolean;
  /**
   * The folder for record.json.
   */
  readonly outputPath: string;
  /**
   * How to write the exact version as a tag: plain (1.2.3), v (v1.2.3), or both.
   */
  readonly tagSpellings: readonly ('plain' | 'v')[];
  /**
   * auto moves latest, X and X.Y to the highest stable version of each release line; with never, they stay where they are.
   */
  readonly tagLatest: 'auto' | 'never';
  /**
   * Allows overwriting an existing version tag that has different content.
   */
  readonly allowRetag: boolean;
  /**
   * Signs the image's digest with the CI job's identity (keyless, through Sigstore) and attaches the signature before the tags move.
   */
  readonly sign: boolean;
  /**
   * Moves no tags unless every registry lists the signature. Otherwise, a failure to sign or a registry's refusal is reported and the tags still move.
   */
  readonly requireSignature: boolean;
  /**
   * The certificate authority of a private Sigstore instance; rekorUrl must be set too. Defaults to FULCIO_URL, then to the public instance.
   */
  readonly fulcioUrl?: string;
  /**
   * The transparency log of a private Sigstore instance; fulcioUrl must be set too. Defaults to REKOR_URL, then to the public instance.
   */
  readonly rekorUrl?: string;
  /**
   * A PEM file with an additional certificate authority.
   */
  readonly caFile?: string;
  /**
   * Uses HTTP for every registry. By default, HTTP is used for loopback only.
   */
  readonly plainHttp: boolean;
  /**
   * How many blobs to upload at once.
   */
  readonly concurrency: number;
  /**
   * Allows releasing sources that differ from the commit that the release names.
   */
  readonly allowUncommitted: boolean;
  /**
   * Refuses a Dockerfile that has to execute something (RUN, COPY --from, # syntax=, ADD of some archives), since not every file in its image can be proven.
   */
  readonly requireFullProof: boolean;
  /**
   * Prints the plan; only reads from the registry.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan or the record as JSON.
   */
  readonly json: boolean;
}
