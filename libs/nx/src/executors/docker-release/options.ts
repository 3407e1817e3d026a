// Generated from schema.json by npm run generate.
/**
 * Packs verified executables into a multi-arch image, an OCI image layout on disk. Nothing is compiled.
 */
export interface DockerReleaseOptions {
  /**
   * What packs the image: Docker's buildx, or this plugin itself with no engine and no root. With auto, buildx where a usable builder answers.
   */
  readonly builder: 'auto' | 'buildx' | 'daemonless';
  /**
   * The buildx builder to use. Defaults to the current one.
   */
  readonly builderName?: string;
  /**
   * How layers are compressed. zstd is faster and smaller, and needs a container engine from 2022 or later.
   */
  readonly compression: 'gzip' | 'zstd';
  /**
   * The zstd level, from 1 (fast) to 19 (small). Defaults to 3.
   */
  readonly compressionLevel?: number;
  /**
   * The platforms to pack, in Docker's vocabulary. Defaults to those of the manifest.
   */
  readonly platforms?: readonly string[];
  /**
   * The Dockerfile, relative to the workspace's root. It starts FROM scratch or FROM a base image that is pinned. One that only copies and describes is proven whole; one that executes something needs buildx, and is proven in part. Without one, a minimal one is generated: the runtime files, the executable, an unprivileged user.
   */
  readonly dockerfile?: string;
  /**
   * The folder of executables with their manifest, relative to the workspace's root.
   */
  readonly inputPath: string;
  /**
   * The folder of verify's reports, relative to the workspace's root.
   */
  readonly verifyPath: string;
  /**
   * The image layout to write, relative to the workspace's root. It is replaced as a whole.
   */
  readonly outputPath: string;
  /**
   * The label org.opencontainers.image.title. Defaults to the program's name.
   */
  readonly imageTitle?: string;
  /**
   * The label org.opencontainers.image.source, a URL. Defaults to the repository of the workspace's package.json.
   */
  readonly imageSource?: string;
  /**
   * The label org.opencontainers.image.licenses, an SPDX expression. Defaults to the license of the workspace's package.json.
   */
  readonly imageLicenses?: string;
  /**
   * Refuses a Dockerfile that has to execute something (RUN, COPY --from, # syntax=, ADD of some archives): not every file of its image can be proven.
   */
  readonly requireFullProof: boolean;
  /**
   * Checks everything, prints what would be done, with the exact commands, and does nothing.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan or the result as JSON.
   */
  readonly json: boolean;
}
