// Generated from schema.json by npm run generate.
/**
 * Uploads the image by digest, reads every platform back from the registry and compares its bytes, and only then moves tags.
 */
export interface DockerPublishOptions {
  /**
   * The repository to publish to, as registry/name without a tag; several are separated by commas or given as a list.
   */
  readonly image?: string | [string, ...(readonly string[])];
  /**
   * The OCI image layout that docker-release wrote, relative to the workspace's root.
   */
  readonly inputPath: string;
  /**
   * The folder that build-binaries filled: what the image has to hold.
   */
  readonly binPath: string;
  /**
   * The folder of the verify reports.
   */
  readonly verifyPath: string;
  /**
   * The Dockerfile that the image was made from, relative to the workspace's root. Without one, it is the generated one.
   */
  readonly dockerfile?: string;
  /**
   * The label org.opencontainers.image.title that docker-release was given.
   */
  readonly imageTitle?: string;
  /**
   * The label org.opencontainers.image.source that docker-release was given.
   */
  readonly imageSource?: string;
  /**
   * The label org.opencontainers.image.licenses that docker-release was given.
   */
  readonly imageLicenses?: string;
  /**
   * The folder of the bills of materials, attached to the image as a referrer.
   */
  readonly sbomPath: string;
  /**
   * Attaches the bills of materials that are in sbomPath; --no-sbom attaches none.
   */
  readonly sbom: boolean;
  /**
   * Moves no tag unless every registry lists the bills of materials. Without it, what a registry refuses is reported and the tags move.
   */
  readonly requireSbom: boolean;
  /**
   * The folder for record.json.
   */
  readonly outputPath: string;
  /**
   * How the exact version is written as a tag: plain (1.2.3), v (v1.2.3), or both.
   */
  readonly tagSpellings: readonly ('plain' | 'v')[];
  /**
   * auto moves latest, X and X.Y for the highest stable version of each line; never moves none of them.
   */
  readonly tagLatest: 'auto' | 'never';
  /**
   * Allows overwriting the tag of a version that exists with other content.
   */
  readonly allowRetag: boolean;
  /**
   * Signs the image's digest with the identity of the CI job (keyless, by Sigstore) and attaches the signature before the tags move.
   */
  readonly sign: boolean;
  /**
   * Moves no tag unless every registry lists the signature. Without it, what can't be signed or is refused is reported and the tags move.
   */
  readonly requireSignature: boolean;
  /**
   * The certificate authority of a private Sigstore instance, together with rekorUrl. Defaults to FULCIO_URL, then to the public instance.
   */
  readonly fulcioUrl?: string;
  /**
   * The transparency log of a private Sigstore instance, together with fulcioUrl. Defaults to REKOR_URL, then to the public instance.
   */
  readonly rekorUrl?: string;
  /**
   * A PEM file with an additional certificate authority.
   */
  readonly caFile?: string;
  /**
   * Uses HTTP for every registry; without it HTTP is used for loopback only.
   */
  readonly plainHttp: boolean;
  /**
   * How many blobs are uploaded at once.
   */
  readonly concurrency: number;
  /**
   * Releases sources that differ from the commit that the release names.
   */
  readonly allowUncommitted: boolean;
  /**
   * Refuses a Dockerfile that has to execute something (RUN, COPY --from, # syntax=, ADD of some archives): not every file of its image can be proven.
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
